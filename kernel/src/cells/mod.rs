//! Rust cells: evcxr behind a small face.

mod advice;
mod assist;
mod build_folder;
pub mod cargo;
mod compile_error;
mod fates;
mod identifiers;
mod timing;
mod toolchain;

use std::process::Child;
use std::sync::{Arc, Mutex};

use anyhow::Context;
use evcxr::{CommandContext, Error, EvalContext, EvalOutputs};

use crate::cell_process::{needs_new_process, take_load};
use crate::hub::{Failure, Hub};
use crate::output::{CellError, Output, Stream};

pub use build_folder::prepare_environment;
pub(crate) use build_folder::{Template, remove_leftovers};
pub(crate) use fates::Fates;
pub(crate) use identifiers::{assigned, mentioned};
pub(crate) use timing::Phases;
pub(crate) use toolchain::explain;

use timing::Stopwatch;

/// First statement of every cell: from here on, what is printed is the user's.
const BEGIN: &str = "huntbook::rt::begin();";

/// How much cells are optimised at first: the heavy work is the engine's, and this compiles fastest.
const LEVEL: &str = "0";

/// What every session begins with.
///
/// `extern crate serde` gives cells serde's derives without another round of dependency checks. The `?` is there because
/// evcxr allows it to cells only after one has failed to compile for it. That error spans the whole function of the
/// cell, so that evcxr also gives up its first way of showing a trailing value, for one that prints markers as text: here
/// nothing trails.
const OPENING: &str = "extern crate serde;
use huntbook::prelude::*;
use huntbook::{println, print, eprintln};
\"1\".parse::<i32>()?;";

/// evcxr with the prelude loaded. Lives on one thread.
pub(crate) struct RustCells {
    context: CommandContext,
    hub: Option<Arc<Hub>>,
    /// Where the time of the last code went.
    phases: Phases,
    /// Code of the last compile error that the compiler can explain.
    explainable: Option<String>,
    /// How much rustc optimises cells.
    level: String,
    /// Cells may await.
    is_async: bool,
}

impl RustCells {
    /// Starts evcxr in this process's build folder. Takes seconds: sockets are long open by then.
    pub(crate) fn start(hub: Arc<Hub>, cells_folder: &std::path::Path) -> anyhow::Result<RustCells> {
        let template = Template::locate()?;
        template.make_ready()?;
        tracing::debug!("template ready");
        let folder = build_folder::folder();
        template.clone_to(&folder).with_context(|| format!("cannot clone the build folder to {}", folder.display()))?;
        RustCells::start_in(template, &folder, Some(hub), cells_folder)
    }

    /// Builds the template: the same steps as a kernel's, in the template's own folder.
    pub(crate) fn build_template() -> anyhow::Result<()> {
        let template = Template::locate()?;
        template.write_sources()?;
        let folder = build_folder::folder();
        std::fs::create_dir_all(&folder)?;
        let mut cells = RustCells::start_in(template, &folder, None, &folder)?;
        cells.warm_up()
    }

    fn start_in(
        template: &Template,
        folder: &std::path::Path,
        hub: Option<Arc<Hub>>,
        cells_folder: &std::path::Path,
    ) -> anyhow::Result<RustCells> {
        tracing::debug!("build folder cloned");
        // evcxr reads evcxr.toml in the current folder, and rustup the toolchain file above it.
        std::env::set_current_dir(folder)?;
        let mut command = std::process::Command::new(std::env::current_exe()?);
        command.current_dir(cells_folder);
        for hidden in ["EVCXR_TMPDIR", "RUSTC", "RUST_SRC_PATH"] {
            command.env_remove(hidden);
        }
        command.env(crate::cell_process::STANDARD_LIBRARY, template.toolchain().standard_library()?);
        if let Some(hub) = &hub {
            hub.equip(&mut command);
        }
        let (mut context, _outputs) = {
            let _stand_ins = build_folder::PathWith::new(&cargo::install(folder, template.toolchain())?, &mut command)?;
            EvalContext::with_subprocess_command(command)
                .map_err(|error| anyhow::anyhow!(compile_error::plain(&error)))?
        };
        tracing::debug!("evcxr started");
        build_folder::reveal_compiler(template);
        // evcxr has just built a cell without dependencies, which empties the lock file.
        build_folder::write_lock(folder)?;
        let mut state = context.state();
        let plain = |error: Error| anyhow::anyhow!(compile_error::plain(&error));
        state.set_opt_level(LEVEL).map_err(plain)?;
        let prelude = template.prelude();
        state.add_dep("huntbook", &format!("{{ path = {:?} }}", prelude.to_string_lossy())).map_err(plain)?;
        tracing::debug!("prelude added");
        context.eval_with_state(OPENING, state).map_err(|error| anyhow::anyhow!(compile_error::plain(&error)))?;
        tracing::debug!("prelude loaded");
        let context = CommandContext::with_eval_context(context);
        Ok(RustCells {
            context,
            hub,
            phases: Phases::default(),
            explainable: None,
            level: LEVEL.to_owned(),
            is_async: false,
        })
    }

    /// Runs what a hunter will run first, so that rust-analyzer has loaded the standard library by then.
    pub(crate) fn warm_up(&mut self) -> anyhow::Result<()> {
        // The variable is moved away at once: evcxr does not keep it.
        let code = format!("{BEGIN}\nlet huntbook_warm_up = vec![1]; drop(huntbook_warm_up);");
        self.context.execute(&code).map(drop).map_err(|error| anyhow::anyhow!(compile_error::plain(&error)))
    }

    /// Adds the polars bridge. The first time on a machine this builds polars, for minutes.
    pub(crate) fn use_polars(&mut self) -> Result<(), CellError> {
        let template = Template::locate().map_err(|error| CellError::new("RustError", format!("{error:#}")))?;
        let folder = build_folder::folder();
        let dependency =
            format!(":dep huntbook-polars = {{ path = {:?} }}", template.polars_bridge().to_string_lossy());
        let added =
            build_folder::write_lock(&folder).map_err(Error::from).and_then(|()| self.context.execute(&dependency));
        let ready =
            added.and_then(|_| self.context.execute("use huntbook_polars::{PolarsFrame as _, from_polars, polars};"));
        ready.map_err(|error| CellError::new("RustError", compile_error::plain(&error)))?;
        if let Err(error) = template.adopt(&folder) {
            tracing::warn!("the built polars is not kept for the next kernel: {error}");
        }
        Ok(())
    }

    /// Lets cells await from now on, on one runtime. The first time on a machine this builds tokio, for some seconds.
    ///
    /// evcxr would do it by itself once a cell fails to compile for its `.await`: with a runtime of many threads, and with
    /// a trailing value shown as markers (see [`OPENING`]).
    fn allow_await(&mut self) -> Result<(), CellError> {
        let failed = |error: Error| CellError::new("RustError", compile_error::plain(&error));
        let known = self.context.execute(":show_deps").map_err(failed)?;
        let is_own = known.get("text/plain").is_some_and(|text| text.lines().any(|line| line.starts_with("tokio = ")));
        let mut code = String::new();
        let template = Template::locate().map_err(|error| CellError::new("RustError", format!("{error:#}")))?;
        let folder = build_folder::folder();
        if !is_own {
            if let Some(hub) = &self.hub {
                let text =
                    "Adding tokio to Rust cells, so that they can await; built once on this machine...\n".to_owned();
                hub.emit(Output::Stream { stream: Stream::Stderr, text });
            }
            build_folder::write_lock(&folder).map_err(|error| failed(error.into()))?;
            let path = template.tokio_bridge();
            code = format!(":dep tokio = {{ path = {:?}, package = \"huntbook-tokio\" }}\n", path.to_string_lossy());
        }
        code.push_str(BEGIN);
        code.push_str("\nasync {}.await;");
        self.execute_somewhere(&code).0.map_err(failed)?;
        self.is_async = true;
        if !is_own && let Err(error) = template.adopt(&folder) {
            tracing::warn!("the built tokio is not kept for the next kernel: {error}");
        }
        Ok(())
    }

    pub(crate) fn process(&self) -> Arc<Mutex<Child>> {
        self.context.process_handle()
    }

    /// Names and types of the variables that cells have left.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let mut variables: Vec<_> = self
            .context
            .variables_and_types()
            .map(|(name, type_name)| (name.to_owned(), type_name.to_owned()))
            .collect();
        variables.sort();
        variables
    }

    /// Sets the level, from 0 to 3, for cells from now on; gives the one that is set.
    pub(crate) fn optimise(&mut self, level: Option<u8>) -> Result<String, CellError> {
        if let Some(level) = level {
            let level = level.to_string();
            self.context.set_opt_level(&level).map_err(|error| compile_error::refused(&error, ""))?;
            self.level = level;
        }
        Ok(self.level.clone())
    }

    /// Starts a new cell process. What had been defined is kept, variables are not.
    ///
    /// evcxr's own `:restart` goes on believing in its variables, and the next cell then misses them.
    pub(crate) fn restart(&mut self) -> Result<(), CellError> {
        let process = self.context.process_handle();
        let killed = process.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).kill();
        killed.map_err(|error| CellError::new("RustError", format!("the cell process cannot be ended: {error}")))?;
        // evcxr notices with the next code that it is to run, forgets its variables and starts a process.
        match self.execute(BEGIN).0 {
            Err(Error::SubprocessTerminated(_)) => Ok(()),
            Ok(_) => Err(CellError::new("RustError", "the cell process did not end: restart the kernel")),
            Err(error) => Err(CellError::new("RustError", compile_error::plain(&error))),
        }
    }

    /// Where the time of the last code went.
    pub(crate) fn phases(&self) -> Phases {
        self.phases
    }

    /// Code of the last compile error that the compiler can explain.
    pub(crate) fn explainable(&self) -> Option<&str> {
        self.explainable.as_deref()
    }

    /// Runs Rust code. `frames` are names that get `let name = frame("name");` in front.
    pub(crate) fn run(&mut self, code: &str, frames: &[String], fates: &Fates) -> Result<(), CellError> {
        self.phases = Phases::default();
        let (commands, code) = split_commands(code);
        for command in commands {
            self.command(command)?;
        }
        if code.trim().is_empty() {
            return Ok(());
        }
        if let Some(line) = identifiers::nameless_let(code) {
            // evcxr drops such a statement without a word.
            let message = format!("error: expected a name or a pattern after `let` at line {line}");
            return Err(CellError::new("CompileError", message));
        }
        if !self.is_async && identifiers::awaits(code) {
            self.allow_await()?;
        }
        let mut lines: Vec<String> = vec![BEGIN.to_owned()];
        lines.extend(frames.iter().map(|name| format!("let {name} = huntbook::frame(\"{name}\");")));
        let before = lines.len();
        let wrapped = format!("{}\n{code}", lines.join("\n"));
        let variables = self.variables();
        let (result, rolled_back) = self.execute_somewhere(&wrapped);
        let failure = self.hub.as_ref().and_then(|hub| hub.take_failure());
        if let (None, Some(why), Err(_)) = (&failure, rolled_back, &result) {
            return Err(crashed(&why));
        }
        match (failure, result) {
            (Some(failure), _) => Err(self.reported(failure, code)),
            (None, Ok(_)) => Ok(()),
            (None, Err(Error::SubprocessTerminated(why))) => Err(process_ended(&why, &variables)),
            (None, Err(Error::CompilationErrors(errors))) => {
                self.explainable = errors.iter().find_map(compile_error::explained).map(str::to_owned);
                Err(compile_error::render(&errors, code, before, fates))
            }
            (None, Err(error)) => Err(compile_error::refused(&error, code)),
        }
    }

    /// As [`RustCells::execute`], in a new cell process where the one there is cannot load the code.
    fn execute_somewhere(&mut self, code: &str) -> (Result<EvalOutputs, Error>, Option<String>) {
        let variables = self.variables();
        let (result, rolled_back) = self.execute(code);
        match (&result, &rolled_back) {
            (Err(Error::SubprocessTerminated(_)), Some(why)) if needs_new_process(why) => {
                tracing::debug!("{why}");
                self.tell_new_process(&variables);
                self.execute(code)
            }
            _ => (result, rolled_back),
        }
    }

    /// Has evcxr run code; says also why it was rolled back, if it was.
    fn execute(&mut self, code: &str) -> (Result<EvalOutputs, Error>, Option<String>) {
        if let Some(hub) = &self.hub {
            hub.begin_rust();
        }
        let stopwatch = Stopwatch::start(&build_folder::folder());
        let result = self.context.execute(code);
        let phases = stopwatch.phases(self.hub.as_ref().and_then(|hub| take_load(&hub.status())));
        tracing::debug!("cell phases: {phases:?}");
        self.phases += phases;
        let rolled_back = self.hub.as_ref().and_then(|hub| {
            hub.pump();
            hub.end_rust()
        });
        if let (Err(Error::SubprocessTerminated(_)), Some(hub)) = (&result, &self.hub) {
            hub.forget_cell_handles();
        }
        (result, rolled_back)
    }

    /// Nothing of the cell has run yet: evcxr has started a new process, which runs it.
    fn tell_new_process(&self, variables: &[(String, String)]) {
        let Some(hub) = &self.hub else { return };
        let text = format!("The dependencies were built anew, which needs a new cell process. {}\n", lost(variables));
        hub.emit(Output::Stream { stream: Stream::Stderr, text });
    }

    /// `:dep` and the other commands of evcxr that stand at the beginning of a cell.
    fn command(&mut self, command: &str) -> Result<(), CellError> {
        let name = command.split_whitespace().next().unwrap_or_default();
        // `:quit` would end the kernel process itself.
        if matches!(name, ":quit" | ":clear" | ":load_config" | ":time_passes") {
            return Err(CellError::new(
                "MagicError",
                format!("`{name}` is not available in notebooks: restart the kernel instead"),
            ));
        }
        if let Some(instead) = [(":restart", "%restart"), (":env", "%env")].iter().find(|(old, _)| *old == name) {
            let text = format!("`{name}` goes past the session: use `{}`", instead.1);
            return Err(CellError::new("MagicError", text));
        }
        match self.context.execute(command) {
            Ok(outputs) => {
                let level = outputs.get("text/plain").and_then(|text| text.trim().strip_prefix("Optimization: "));
                if let Some(level) = level.filter(|_| name == ":opt") {
                    self.level = level.to_owned();
                }
                if let (Some(hub), Some(text)) =
                    (&self.hub, outputs.get("text/plain").filter(|text| !text.trim().is_empty()))
                {
                    hub.emit(crate::output::Output::Display(huntbook_engine::Display::new([(
                        "text/plain",
                        text.to_owned(),
                    )])));
                }
                Ok(())
            }
            Err(error) => Err(CellError::new("RustError", compile_error::plain(&error))),
        }
    }

    fn reported(&self, failure: Failure, code: &str) -> CellError {
        match failure {
            Failure::QuestionMark { message } => CellError::new("Error", message),
            Failure::Panic { message, line, column } => {
                let place = line.and_then(|line| self.cell_line(line, code)).map(|line| {
                    let column = column.map(|column| format!(", column {column}")).unwrap_or_default();
                    format!(" at line {line}{column}")
                });
                let mut error = CellError::new("Panic", message.clone());
                error.traceback = vec![format!("\u{1b}[31mPanic\u{1b}[0m{}: {message}", place.unwrap_or_default())];
                error
            }
        }
    }

    /// Line of the cell (from 1) for a line of the file that evcxr generated. evcxr moves functions and types to the
    /// front, so lines are found by their text.
    fn cell_line(&self, line: u32, code: &str) -> Option<usize> {
        let source = self.context.last_source().ok()?;
        let text = source.lines().nth((line as usize).checked_sub(1)?)?;
        code.lines().position(|own| own == text).map(|index| index + 1)
    }
}

/// evcxr takes commands only from the beginning of a cell.
fn split_commands(code: &str) -> (Vec<&str>, &str) {
    let mut commands = Vec::new();
    let mut rest = code;
    loop {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let trimmed = line.trim();
        if trimmed.starts_with(':') && !trimmed.starts_with("::") {
            commands.push(trimmed);
        } else if commands.is_empty() || !trimmed.is_empty() {
            return (commands, rest);
        }
        if after.is_empty() {
            return (commands, "");
        }
        rest = after;
    }
}

fn crashed(why: &str) -> CellError {
    let text = format!("the cell ended its process: {why}. Rust variables are as they were before the cell");
    CellError::new("CellCrashed", text)
}

fn process_ended(why: &str, variables: &[(String, String)]) -> CellError {
    let cause = match why.rsplit_once("signal: ") {
        Some((_, signal)) => format!("the cell process was ended by signal {}", signal.trim()),
        None => format!("the cell process ended: {}", why.trim()),
    };
    CellError::new("CellProcessEnded", format!("{cause}. {}", lost(variables)))
}

/// What a new cell process costs.
pub(crate) fn lost(variables: &[(String, String)]) -> String {
    let names: Vec<&str> = variables.iter().map(|(name, _)| name.as_str()).collect();
    let lost = match names.len() {
        0 => "No Rust variables were lost".to_owned(),
        _ => format!("Rust variables were lost: {}", names.join(", ")),
    };
    format!("{lost}. Functions, types and the engine's frames are kept")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_taken_from_the_beginning_only() {
        assert_eq!(split_commands(":dep regex\n:opt 3\nlet x = 1;"), (vec![":dep regex", ":opt 3"], "let x = 1;"));
        assert_eq!(split_commands("let x = 1;\n:dep regex"), (vec![], "let x = 1;\n:dep regex"));
        assert_eq!(split_commands(":dep regex"), (vec![":dep regex"], ""));
        assert_eq!(split_commands("::std::process::id()"), (vec![], "::std::process::id()"));
    }

    #[test]
    fn a_lost_process_names_what_was_lost() {
        let error =
            process_ended("Subprocess terminated with status: signal: 9 (SIGKILL)", &[("a".into(), "i32".into())]);
        assert!(error.value.contains("signal 9 (SIGKILL)") && error.value.contains("lost: a"), "{}", error.value);
    }
}
