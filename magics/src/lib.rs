//! The magics: `%kql`, `%connect`, `%blob`, `%la_write`, `%sentinel`, `%workspace`, `%frames`, `%help`, and those of the
//! session (`%vars`, `%time`, `!command`, ...).
//!
//! A magic is a line `%name ...` or a whole cell `%%name ...`. It is parsed to a [`Magic`] without touching the
//! engine, and [`Magic::run`] then does it. Every magic is only sugar: cells have the same as Rust calls.

mod blob;
mod blob_options;
mod complete;
mod connect;
mod help;
mod kql;
mod la_write;
mod options;
mod sentinel;
mod session;
mod split;
mod words;
mod workspace;

use std::fmt;

use huntbook_engine::{Display, Engine};

pub use complete::{Completion, Completions, complete, inspect};
pub use session::{Environment, Save, SessionMagic, Time};
pub use split::{Segment, split};

/// A parsed magic.
#[derive(Clone, Debug, PartialEq)]
pub enum Magic {
    Kql(kql::Kql),
    Connect(connect::Connect),
    Blob(blob::Blob),
    LaWrite(la_write::LaWrite),
    Sentinel(Box<sentinel::Sentinel>),
    Workspace,
    Frames,
    /// Adds a crate to Rust cells; the kernel does this one.
    Use(String),
    /// The kernel does these too.
    Session(SessionMagic),
    Help(String),
    /// Another tool's magic that nothing is lost without; the text says why.
    Nothing(&'static str),
}

/// Names of all magics, for help and for "did you mean".
pub fn names() -> impl Iterator<Item = &'static str> {
    let engines = ["kql", "connect", "blob", "la_write", "sentinel", "workspace", "frames", "use", "help"];
    engines.into_iter().chain(session::NAMES)
}

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
        let whole = text;
        let text = text.trim_start();
        if let Some(command) = text.strip_prefix('!') {
            return session::command(command, "!").map(|command| Magic::Session(SessionMagic::Shell(command)));
        }
        let body = text.strip_prefix("%%").or_else(|| text.strip_prefix('%')).unwrap_or(text);
        let name_end =
            body.find(|character: char| !(character.is_alphanumeric() || character == '_')).unwrap_or(body.len());
        let (name, rest) = body.split_at(name_end);
        let wants_help = matches!(rest.trim(), "--help" | "-h" | "-?" | "?");
        match name {
            _ if wants_help && names().any(|known| known == name) => Ok(Magic::Help(name.to_owned())),
            "kql" if rest.trim().is_empty() => Ok(Magic::Help("kql".into())),
            "kql" if is_help(rest) => Ok(Magic::Help("kql".into())),
            "kql" => kql::Kql::parse(rest).map(Magic::Kql),
            "connect" => connect::Connect::parse(rest).map(Magic::Connect),
            "reload_ext" | "load_ext" if rest.trim().eq_ignore_ascii_case("kqlmagic") => {
                Ok(Magic::Nothing("`%kql` is part of this kernel: there is no Kqlmagic to load"))
            }
            "config" if rest.trim().to_lowercase().starts_with("kqlmagic") => Ok(Magic::Nothing(
                "`%config Kqlmagic` does nothing here: options stand at the query, `%kql --help` lists them",
            )),
            "blob" if rest.trim().is_empty() => Ok(Magic::Help("blob".into())),
            "blob" => blob::Blob::parse(rest).map(Magic::Blob),
            "la_write" => la_write::LaWrite::parse(rest).map(Magic::LaWrite),
            "sentinel" if rest.trim().is_empty() => Ok(Magic::Help("sentinel".into())),
            "sentinel" => sentinel::Sentinel::parse(rest).map(|parsed| Magic::Sentinel(Box::new(parsed))),
            "workspace" => no_arguments(rest, "workspace").map(|()| Magic::Workspace),
            "frames" => no_arguments(rest, "frames").map(|()| Magic::Frames),
            "use" => Ok(Magic::Use(rest.trim().to_owned())),
            "sh" | "bash" if rest.trim().is_empty() => Ok(Magic::Help("sh".into())),
            name if session::NAMES.contains(&name) => SessionMagic::parse(name, rest, whole).map(Magic::Session),
            "help" => Ok(Magic::Help(rest.trim().trim_start_matches('%').to_owned())),
            unknown => Err(unknown_magic(unknown)),
        }
    }

    /// Names in table position or given as frames: a Rust variable of such a name must be bound before the magic
    /// runs.
    pub fn frames_wanted(&self, engine: &Engine) -> Vec<String> {
        match self {
            Magic::Kql(kql) => kql.tables(engine),
            Magic::LaWrite(write) => vec![write.frame.clone()],
            Magic::Sentinel(sentinel) => sentinel.frames(),
            Magic::Blob(blob) => blob.frames(),
            _ => Vec::new(),
        }
    }

    /// Rust variables whose values the magic needs, such as `${name}`. Where the query is a variable's text, the names
    /// in it are known once the engine has that text.
    pub fn scalars_wanted(&self, engine: &Engine) -> Vec<String> {
        match self {
            Magic::Kql(kql) => kql.scalars(engine),
            _ => Vec::new(),
        }
    }

    /// Names that may be Rust scalars, such as the right side of `let x = name;`; a frame is meant as well.
    pub fn scalars_perhaps_wanted(&self, engine: &Engine) -> Vec<String> {
        match self {
            Magic::Kql(kql) => kql.perhaps_scalars(engine),
            _ => Vec::new(),
        }
    }

    /// Does it; what it shows comes back in order. Interruptible through [`Engine::cancel`].
    pub fn run(&self, engine: &Engine) -> Result<Vec<Display>, MagicError> {
        match self {
            Magic::Kql(kql) => kql.run(engine),
            Magic::Connect(connect) => connect.run(engine),
            Magic::Nothing(why) => Ok(vec![connect::text(why)]),
            Magic::Blob(blob) => blob.run(engine),
            Magic::LaWrite(write) => write.run(engine),
            Magic::Sentinel(sentinel) => sentinel.run(engine),
            Magic::Workspace => workspace::workspace(engine),
            Magic::Frames => Ok(workspace::frames(engine)),
            Magic::Use(what) => {
                Err(MagicError::usage(format!("`%use {what}` stands on a line of its own in a notebook cell")))
            }
            Magic::Session(_) => Err(MagicError::usage("this magic belongs to a notebook's session")),
            Magic::Help(topic) => help::help(topic),
        }
    }
}

/// `--help`, also with a topic, as Kqlmagic has it.
fn is_help(rest: &str) -> bool {
    rest.split_whitespace().next().is_some_and(|word| word == "--help")
}

fn no_arguments(rest: &str, name: &str) -> Result<(), MagicError> {
    if rest.trim().is_empty() {
        Ok(())
    } else {
        Err(MagicError::usage(format!("`%{name}` takes no arguments, not `{}`", rest.trim())))
    }
}

/// All magics, for messages.
fn list() -> String {
    names().map(|name| format!("%{name}")).collect::<Vec<_>>().join(" ")
}

fn unknown_magic(name: &str) -> MagicError {
    MagicError::usage(format!("there is no magic `%{name}`; there are: {}", list()))
}
