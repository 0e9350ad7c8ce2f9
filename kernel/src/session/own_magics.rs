//! Magics about the session itself.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use huntbook_engine::Display;
use huntbook_magics::{Save, SessionMagic, Time, split};

use super::Session;
use crate::cells::{self, lost};
use crate::output::{CellError, Output, Stream};
use crate::redaction;

/// A cell of a notebook is text that a person reads; a larger file is not meant for one.
const MAX_LOADED: u64 = 1 << 20;

impl Session {
    /// `line` and `text`: where the magic stands in its cell, and its text.
    pub(super) fn run_own(
        &self,
        magic: &SessionMagic,
        line: usize,
        text: &str,
        is_last: bool,
    ) -> Result<(), CellError> {
        match magic {
            SessionMagic::Optimise(level) => self.optimise(*level),
            SessionMagic::Variables => self.show_variables(),
            SessionMagic::Names => self.show_names(),
            SessionMagic::Time(Time { verbose, code }) => match code {
                Some(at) => {
                    // What is in front of the code becomes blanks: errors then name the cell's own lines and columns.
                    let blanks = " ".repeat(text[..*at].chars().count());
                    let code = format!("{}{blanks}{}", "\n".repeat(line), &text[*at..]);
                    self.timed(*verbose, || self.run_all(split(&code), is_last))
                }
                None => Err(CellError::new("MagicError", "`%%time` stands at the top of its cell")),
            },
            SessionMagic::Environment(environment) => self.environment(environment),
            SessionMagic::Restart => self.restart_rust(),
            SessionMagic::Load(file) => self.load(file),
            SessionMagic::Save(save) => self.save(save),
            SessionMagic::Shell(command) => self.run_shell(line, text, command),
            SessionMagic::Explain(code) => self.explain(code.as_deref()),
        }
    }

    pub(super) fn use_library(&self, library: &str) -> Result<(), CellError> {
        if library != "polars" {
            return Err(CellError::new(
                "MagicError",
                format!(
                    "`%use` knows `polars`, not `{library}`; for other crates: `:dep {library}` as the first line of a cell"
                ),
            ));
        }
        let text = "Adding polars to Rust cells: the first time on this machine it is built, which takes minutes...\n"
            .to_owned();
        self.hub.emit(Output::Stream { stream: Stream::Stderr, text });
        self.with_rust(|rust| rust.ready()?.use_polars())
    }

    pub(super) fn show(&self, text: impl Into<String>) {
        self.hub.emit(Output::Display(Display::new([("text/plain", text.into())])));
    }

    fn optimise(&self, level: Option<u8>) -> Result<(), CellError> {
        let level = self.with_rust(move |rust| rust.ready()?.optimise(level))?;
        let meaning = match level.as_str() {
            "0" => "they compile fastest",
            "3" => "they run fastest, and take longer to compile",
            _ => "between compiling fast (0) and running fast (3)",
        };
        self.show(format!("cells are compiled at level {level}: {meaning}"));
        Ok(())
    }

    /// Runs `work` and says how long it took.
    pub(super) fn timed(&self, verbose: bool, work: impl FnOnce() -> Result<(), CellError>) -> Result<(), CellError> {
        let outer = std::mem::take(&mut self.state().phases);
        let began = Instant::now();
        let result = work();
        let took = began.elapsed();
        let own = std::mem::replace(&mut self.state().phases, outer);
        self.state().phases += own;
        if result.is_ok() {
            let mut text = format!("Wall time: {}\n", readable(took));
            if verbose {
                let phases = own.named();
                let rest = took.saturating_sub(phases.iter().map(|(_, time)| *time).sum());
                for (name, time) in phases.into_iter().chain([("huntbook and engine", rest)]) {
                    text.push_str(&format!("  {name:<20}{:>10}\n", readable(time)));
                }
            }
            self.hub.emit(Output::Stream { stream: Stream::Stdout, text });
        }
        result
    }

    fn restart_rust(&self) -> Result<(), CellError> {
        self.with_rust(|rust| rust.ready()?.restart())?;
        let before: Vec<(String, String)> = self.state().variables.clone().into_iter().collect();
        self.after_rust("", &[], Vec::new(), true);
        self.show(format!("Rust cells have a new process. {}", lost(&before)));
        Ok(())
    }

    fn load(&self, name: &str) -> Result<(), CellError> {
        let path = self.folder.join(name);
        let failed = |why: String| CellError::new("FileError", format!("cannot load {}: {why}", path.display()));
        let file = std::fs::File::open(&path).map_err(|error| failed(error.to_string()))?;
        let metadata = file.metadata().map_err(|error| failed(error.to_string()))?;
        if !metadata.is_file() {
            return Err(failed("it is no file".to_owned()));
        }
        if metadata.len() > MAX_LOADED {
            let size = metadata.len();
            return Err(failed(format!(
                "it has {size} bytes, and a cell takes up to {MAX_LOADED}: read data with `%blob`"
            )));
        }
        let mut bytes = Vec::new();
        file.take(MAX_LOADED).read_to_end(&mut bytes).map_err(|error| failed(error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|_| failed("it is not text in UTF-8".to_owned()))?;
        self.hub.sink()?.offer_cell(redaction::text(text))
    }

    fn save(&self, save: &Save) -> Result<(), CellError> {
        let inputs = self.hub.sink()?.inputs()?;
        let cells: Vec<String> = inputs
            .into_iter()
            .filter(|(number, _)| save.wants(*number))
            .map(|(number, text)| format!("// In [{number}]\n{}\n", redaction::text(text).trim_end()))
            .collect();
        if cells.is_empty() {
            return Err(CellError::new("MagicError", "none of these cells has been run in this session"));
        }
        let path = self.folder.join(&save.file);
        let mut options = OpenOptions::new();
        options.write(true).create_new(!save.force).create(save.force).truncate(save.force);
        let written = options.open(&path).and_then(|mut file| file.write_all(cells.join("\n").as_bytes()));
        written.map_err(|error| {
            let why = match error.kind() {
                ErrorKind::AlreadyExists => "it is there already; `--force` writes over it".to_owned(),
                _ => error.to_string(),
            };
            CellError::new("FileError", format!("cannot save {}: {why}", path.display()))
        })?;
        self.show(format!("{} cells in {}", cells.len(), path.display()));
        Ok(())
    }

    /// `!found` of a Rust variable is Rust.
    fn run_shell(&self, line: usize, text: &str, command: &str) -> Result<(), CellError> {
        let word = command.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default();
        if text.trim_start().starts_with('!') && self.state().variables.contains_key(word) {
            return self.run_rust(line, text);
        }
        let failed = |error: std::io::Error| CellError::new("ShellError", format!("no pipe for its output: {error}"));
        let streams = self.hub.text_ends().map_err(failed)?;
        self.shell.run(command, &self.folder, streams, || self.interrupted.load(Ordering::SeqCst))
    }

    fn explain(&self, code: Option<&str>) -> Result<(), CellError> {
        let code = match code {
            Some(code) => code.to_owned(),
            None => self.with_rust(|rust| Ok(rust.ready()?.explainable().map(str::to_owned)))?.ok_or_else(|| {
                CellError::new(
                    "MagicError",
                    "no compile error yet that has a code: `%explain E0382` explains a given one",
                )
            })?,
        };
        let explained =
            cells::explain(&code).map_err(|error| CellError::new("RustUnavailable", format!("{error:#}")))?;
        let Some(text) = explained else {
            return Err(CellError::new("MagicError", format!("the compiler has no explanation of {code}")));
        };
        let text = format!("{code}\n\n{text}");
        self.hub.emit(Output::Display(Display::new([("text/plain", text.clone()), ("text/markdown", text)])));
        Ok(())
    }
}

fn readable(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        ..1e-3 => format!("{:.0} µs", seconds * 1e6),
        ..1.0 => format!("{:.1} ms", seconds * 1e3),
        ..60.0 => format!("{seconds:.2} s"),
        _ => format!("{} min {:02} s", time.as_secs() / 60, time.as_secs() % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_that_fit() {
        let shown = [0.000_012, 0.0123, 1.234, 61.4].map(|seconds| readable(Duration::from_secs_f64(seconds)));
        assert_eq!(shown, ["12 µs", "12.3 ms", "1.23 s", "1 min 01 s"]);
    }
}
