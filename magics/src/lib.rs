//! The magics: `%kql`, `%blob`, `%la_write`, `%sentinel`, `%workspace`, `%frames`, `%help`.
//!
//! A magic is a line `%name ...` or a whole cell `%%name ...`. It is parsed to a [`Magic`] without touching the
//! engine, and [`Magic::run`] then does it. Every magic is only sugar: cells have the same as Rust calls.

mod blob;
mod complete;
mod help;
mod kql;
mod la_write;
mod sentinel;
mod split;
mod words;
mod workspace;

use std::fmt;

use huntbook_engine::{Display, Engine};

pub use complete::{Completion, Completions, complete, inspect};
pub use split::{Segment, split};

/// A parsed magic.
#[derive(Clone, Debug, PartialEq)]
pub enum Magic {
    Kql(kql::Kql),
    Blob(blob::Blob),
    LaWrite(la_write::LaWrite),
    Sentinel(Box<sentinel::Sentinel>),
    Workspace,
    Frames,
    /// Adds a crate to Rust cells; the kernel does this one.
    Use(String),
    Help(String),
}

/// Names of all magics, for help and for "did you mean".
pub const NAMES: [&str; 8] = ["kql", "blob", "la_write", "sentinel", "workspace", "frames", "use", "help"];

/// A magic that failed; the cell fails with it.
#[derive(Clone, Debug, PartialEq)]
pub struct MagicError {
    /// Short name of the kind, shown as `ename`.
    pub kind: String,
    pub message: String,
}

impl MagicError {
    pub(crate) fn usage(message: impl Into<String>) -> MagicError {
        MagicError { kind: "MagicError".into(), message: message.into() }
    }
}

impl fmt::Display for MagicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for MagicError {}

impl From<huntbook_engine::Error> for MagicError {
    fn from(error: huntbook_engine::Error) -> Self {
        MagicError { kind: error.kind, message: error.message }
    }
}

impl Magic {
    /// Parses `%name ...` or `%%name ...`, leading blanks allowed.
    pub fn parse(text: &str) -> Result<Magic, MagicError> {
        let text = text.trim_start();
        let body = text.strip_prefix("%%").or_else(|| text.strip_prefix('%')).unwrap_or(text);
        let name_end =
            body.find(|character: char| !(character.is_alphanumeric() || character == '_')).unwrap_or(body.len());
        let (name, rest) = body.split_at(name_end);
        let wants_help = matches!(rest.trim(), "--help" | "-h" | "-?" | "?");
        match name {
            _ if wants_help && NAMES.contains(&name) => Ok(Magic::Help(name.to_owned())),
            "kql" if rest.trim().is_empty() => Ok(Magic::Help("kql".into())),
            "kql" => kql::Kql::parse(rest).map(Magic::Kql),
            "blob" if rest.trim().is_empty() => Ok(Magic::Help("blob".into())),
            "blob" => blob::Blob::parse(rest).map(Magic::Blob),
            "la_write" => la_write::LaWrite::parse(rest).map(Magic::LaWrite),
            "sentinel" if rest.trim().is_empty() => Ok(Magic::Help("sentinel".into())),
            "sentinel" => sentinel::Sentinel::parse(rest).map(|parsed| Magic::Sentinel(Box::new(parsed))),
            "workspace" => no_arguments(rest, "workspace").map(|()| Magic::Workspace),
            "frames" => no_arguments(rest, "frames").map(|()| Magic::Frames),
            "use" => Ok(Magic::Use(rest.trim().to_owned())),
            "help" => Ok(Magic::Help(rest.trim().trim_start_matches('%').to_owned())),
            unknown => Err(unknown_magic(unknown)),
        }
    }

    /// Names in table position or given as frames: a Rust variable of such a name must be bound before the magic
    /// runs.
    pub fn frames_wanted(&self) -> Vec<String> {
        match self {
            Magic::Kql(kql) => kql.tables(),
            Magic::LaWrite(write) => vec![write.frame.clone()],
            Magic::Sentinel(sentinel) => sentinel.frames(),
            _ => Vec::new(),
        }
    }

    /// Scalars named as `${name}`.
    pub fn scalars_wanted(&self) -> Vec<String> {
        match self {
            Magic::Kql(kql) => kql.scalars(),
            _ => Vec::new(),
        }
    }

    /// Does it; what it shows comes back in order. Interruptible through [`Engine::cancel`].
    pub fn run(&self, engine: &Engine) -> Result<Vec<Display>, MagicError> {
        match self {
            Magic::Kql(kql) => kql.run(engine),
            Magic::Blob(blob) => blob.run(engine),
            Magic::LaWrite(write) => write.run(engine),
            Magic::Sentinel(sentinel) => sentinel.run(engine),
            Magic::Workspace => workspace::workspace(engine),
            Magic::Frames => Ok(workspace::frames(engine)),
            Magic::Use(what) => {
                Err(MagicError::usage(format!("`%use {what}` stands on a line of its own in a notebook cell")))
            }
            Magic::Help(topic) => help::help(topic),
        }
    }
}

fn no_arguments(rest: &str, name: &str) -> Result<(), MagicError> {
    if rest.trim().is_empty() {
        Ok(())
    } else {
        Err(MagicError::usage(format!("`%{name}` takes no arguments, not `{}`", rest.trim())))
    }
}

fn unknown_magic(name: &str) -> MagicError {
    let list = NAMES.map(|name| format!("%{name}")).join(" ");
    MagicError::usage(format!("there is no magic `%{name}`; there are: {list}"))
}
