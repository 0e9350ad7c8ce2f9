//! `huntbook run`: a notebook without a browser.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::notebook::{Notebook, bundle, lines};
use crate::output::{CellError, Output, Sink};
use crate::redaction;
use crate::session::{Options, Session};

pub(crate) struct Run {
    pub(crate) notebook: PathBuf,
    pub(crate) output: Option<PathBuf>,
    /// `name=value`, as given.
    pub(crate) parameters: Vec<String>,
    pub(crate) workspace: PathBuf,
}

/// Runs every cell in order and saves the notebook with its outputs; stops at the first cell that fails. `Ok(false)`
/// when one did.
pub(crate) fn run(run: &Run) -> anyhow::Result<bool> {
    let path = std::path::absolute(&run.notebook)?;
    let output = match &run.output {
        Some(output) => std::path::absolute(output)?,
        None => path.with_extension("out.ipynb"),
    };
    let mut notebook = Notebook::read(&path)?;
    add_parameters(&mut notebook, &run.parameters)?;
    notebook.clear_outputs();
    let folder = path.parent().map_or_else(|| PathBuf::from("/"), Path::to_path_buf);
    let session = Session::start(&Options { workspace: std::path::absolute(&run.workspace)?, folder })?;
    stop_on_ctrl_c(&session);
    let failed = run_cells(&mut notebook, &session);
    session.shut_down();
    notebook.write(&output)?;
    eprintln!("notebook with outputs: {}", output.display());
    Ok(!failed)
}

fn run_cells(notebook: &mut Notebook, session: &Session) -> bool {
    let cells = notebook.code_cells();
    let total = cells.len();
    let began = Instant::now();
    for (number, (index, code)) in cells.into_iter().enumerate() {
        let count = number as u64 + 1;
        let headline = code.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        eprint!("[{count}/{total}] {:<60.60}", redaction::text(headline.to_owned()));
        let cell_began = Instant::now();
        let recorder = Arc::new(Recorder::new(count));
        let result = session.execute(&code, recorder.clone());
        let mut outputs = recorder.take();
        eprintln!(" {:>7.2} s{}", cell_began.elapsed().as_secs_f64(), if result.is_err() { "  FAILED" } else { "" });
        print_text(&outputs);
        if let Err(error) = &result {
            outputs.push(error_output(error));
        }
        notebook.set_outputs(index, count, outputs);
        if let Err(error) = result {
            eprintln!("\ncell {count} failed:\n{}", readable(&error.traceback.join("\n")));
            return true;
        }
    }
    eprintln!("{total} cells in {:.1} s", began.elapsed().as_secs_f64());
    false
}

fn error_output(error: &CellError) -> Value {
    json!({"output_type": "error", "ename": error.name, "evalue": error.value, "traceback": error.traceback})
}

/// Colours only where there is someone to see them.
fn readable(text: &str) -> String {
    if std::io::stderr().is_terminal() {
        return text.to_owned();
    }
    let mut plain = String::with_capacity(text.len());
    let mut pieces = text.split('\u{1b}');
    plain.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        plain.push_str(piece.split_once('m').map_or(piece, |(_, rest)| rest));
    }
    plain
}

/// What cells say goes to stdout, so that a scheduled run's log holds its results.
fn print_text(outputs: &[Value]) {
    for output in outputs {
        let text = match output["output_type"].as_str() {
            Some("stream") => &output["text"],
            _ => &output["data"]["text/plain"],
        };
        let text: String = text.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if !text.is_empty() {
            println!("{}", text.trim_end_matches('\n'));
        }
    }
}

fn stop_on_ctrl_c(session: &Arc<Session>) {
    let session = session.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let _ = std::thread::Builder::new().name("ctrl-c".into()).spawn(move || {
        if let Ok(runtime) = runtime {
            while runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
                session.interrupt();
            }
        }
    });
}

/// `-p name=value` becomes `let name = value;` behind the cell tagged `parameters`, whose variables it must name.
fn add_parameters(notebook: &mut Notebook, parameters: &[String]) -> anyhow::Result<()> {
    if parameters.is_empty() {
        return Ok(());
    }
    let Some(index) = notebook.parameters_cell() else {
        bail!("the notebook has no cell tagged `parameters`, so -p has nothing to set");
    };
    let code =
        notebook.code_cells().into_iter().find(|(cell, _)| *cell == index).map(|(_, code)| code).unwrap_or_default();
    let mut injected = vec!["// Parameters".to_owned()];
    for parameter in parameters {
        let (name, value) =
            parameter.split_once('=').with_context(|| format!("-p takes name=value, not `{parameter}`"))?;
        let default = default_of(&code, name).with_context(|| {
            format!("the parameters cell defines no `{name}`; it defines: {}", defined(&code).join(", "))
        })?;
        injected.push(format!("let {name} = {};", literal(name, value, &default)?));
    }
    notebook.insert_parameters(index, &injected.join("\n"));
    Ok(())
}

/// Names that the cell defines with `let`.
fn defined(code: &str) -> Vec<String> {
    let name = |line: &str| {
        let rest = line.trim_start().strip_prefix("let ")?;
        let end = rest.find(|character: char| !(character.is_alphanumeric() || character == '_')).unwrap_or(rest.len());
        Some(rest[..end].to_owned())
    };
    code.lines().filter_map(name).collect()
}

/// The text between `=` and `;` of the parameter's `let`.
fn default_of(code: &str, name: &str) -> Option<String> {
    let line = code.lines().find(|line| defined(line).first().is_some_and(|defined| defined == name))?;
    let value = line.split_once('=')?.1;
    Some(value.rsplit_once(';').map_or(value, |(value, _)| value).trim().to_owned())
}

/// The value as a Rust literal of the default's type.
fn literal(name: &str, value: &str, default: &str) -> anyhow::Result<String> {
    let wrong = |expected: &str| anyhow::anyhow!("parameter `{name}` is {expected} (`{default}`), `{value}` is not");
    if default.starts_with('"') {
        return Ok(format!("{value:?}{}", default.strip_suffix(".to_string()").map_or("", |_| ".to_string()")));
    }
    if default == "true" || default == "false" {
        return value.parse::<bool>().map(|value| value.to_string()).map_err(|_| wrong("true or false"));
    }
    let digits = default
        .trim_start_matches('-')
        .trim_end_matches(|character: char| character.is_alphabetic() || character == '_');
    let suffix: &str = ["f64", "f32", "i64", "u64", "i32", "u32", "usize"]
        .into_iter()
        .find(|suffix| default.ends_with(suffix))
        .unwrap_or("");
    if digits.contains('.') || suffix.starts_with('f') {
        let number: f64 = value.parse().map_err(|_| wrong("a number"))?;
        return Ok(format!("{number:?}{suffix}"));
    }
    let number: i128 = value.parse().map_err(|_| wrong("a whole number"))?;
    Ok(format!("{number}{suffix}"))
}

/// Collects a cell's outputs as nbformat has them.
struct Recorder {
    count: u64,
    state: Mutex<Recorded>,
}

#[derive(Default)]
struct Recorded {
    outputs: Vec<Value>,
    /// Positions of displays that may be updated.
    displays: HashMap<String, usize>,
    /// The next output takes the place of all there is.
    to_clear: bool,
}

impl Recorded {
    fn clear(&mut self) {
        *self = Recorded::default();
    }
}

impl Recorder {
    fn new(count: u64) -> Recorder {
        Recorder { count, state: Mutex::default() }
    }

    fn take(&self) -> Vec<Value> {
        let mut state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        std::mem::take(&mut state.outputs)
    }
}

impl Sink for Recorder {
    fn cell(&self) -> u64 {
        self.count
    }

    fn emit(&self, output: Output) {
        let mut state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if state.to_clear {
            state.clear();
        }
        match output {
            Output::Clear { wait: true } => state.to_clear = true,
            Output::Clear { wait: false } => state.clear(),
            Output::Stream { stream, text } => {
                if let Some(last) = state.outputs.last_mut()
                    && last["name"] == stream.name()
                {
                    let before: String =
                        last["text"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                    last["text"] = lines(&(before + &text));
                    return;
                }
                state.outputs.push(json!({"output_type": "stream", "name": stream.name(), "text": lines(&text)}));
            }
            Output::Display(display) => {
                let data = bundle(&display.data);
                let metadata = serde_json::Map::from_iter(display.metadata.clone());
                let known = display.display_id.as_ref().and_then(|id| state.displays.get(id)).copied();
                if let (true, Some(position)) = (display.update, known) {
                    state.outputs[position]["data"] = data.into();
                    return;
                }
                let mut stored = json!({"output_type": "display_data", "data": data, "metadata": metadata});
                if display.is_result {
                    stored["output_type"] = "execute_result".into();
                    stored["execution_count"] = self.count.into();
                }
                if let Some(id) = display.display_id {
                    let position = state.outputs.len();
                    state.displays.insert(id, position);
                }
                state.outputs.push(stored);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Stream;

    #[test]
    fn parameters_take_the_type_of_their_default() {
        assert_eq!(literal("a", "2", "1.0").unwrap(), "2.0");
        assert_eq!(literal("a", "7", "42").unwrap(), "7");
        assert_eq!(literal("a", "7", "42u64").unwrap(), "7u64");
        assert_eq!(literal("a", "x \"y\"", "\"d\"").unwrap(), r#""x \"y\"""#);
        assert_eq!(literal("a", "true", "false").unwrap(), "true");
        assert!(literal("a", "many", "42").unwrap_err().to_string().contains("whole number"));
        assert!(literal("a", "1; evil()", "42").is_err());
    }

    #[test]
    fn an_unknown_parameter_names_the_known_ones() {
        let code = "let threshold = 1.0; // score\nlet table = \"T\";";
        assert_eq!(defined(code), ["threshold", "table"]);
        assert_eq!(default_of(code, "threshold").unwrap(), "1.0");
        assert_eq!(default_of(code, "seed"), None);
    }

    #[test]
    fn cleared_output_is_not_saved() {
        let recorder = Recorder::new(1);
        let print = |text: &str| recorder.emit(Output::Stream { stream: Stream::Stdout, text: text.into() });
        print("one");
        recorder.emit(Output::Clear { wait: true });
        assert_eq!(recorder.take().len(), 1, "it waits for the next output");
        print("two");
        recorder.emit(Output::Clear { wait: false });
        print("three");
        assert_eq!(recorder.take(), [json!({"output_type": "stream", "name": "stdout", "text": ["three"]})]);
    }

    #[test]
    fn colours_are_left_out_of_logs() {
        assert_eq!(readable("\u{1b}[31mError\u{1b}[0m: x"), "Error: x");
    }
}
