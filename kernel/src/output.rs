//! What cells emit, whoever listens.

use huntbook_engine::Display;

/// One thing that a running cell emits.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Output {
    Stream {
        stream: Stream,
        text: String,
    },
    Display(Display),
    /// What the cell has shown goes; with `wait`, when the next output comes.
    Clear {
        wait: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }
}

/// Takes a cell's output in order.
pub(crate) trait Sink: Send + Sync {
    fn emit(&self, output: Output);

    /// Asks the person at the front end and waits for the answer; a password is not shown while it is typed.
    fn ask(&self, _prompt: &str, _password: bool) -> Result<String, CellError> {
        Err(CellError::new("InputError", "nobody can answer here: input needs a notebook with someone at it"))
    }

    /// The number that the running cell has for the person who reads it.
    fn cell(&self) -> u64;

    /// Puts text into a new cell of the notebook.
    fn offer_cell(&self, _text: String) -> Result<(), CellError> {
        Err(CellError::new("MagicError", "there is no notebook here that could take a new cell"))
    }

    /// The cells of this session that were run before this one: their numbers and texts.
    fn inputs(&self) -> Result<Vec<(u64, String)>, CellError> {
        Err(CellError::new("MagicError", "this run keeps no history of its cells"))
    }
}

/// Why a cell failed: what Jupyter calls ename, evalue and traceback.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CellError {
    pub(crate) name: String,
    pub(crate) value: String,
    /// Lines to show; the message itself where there is nothing more to say.
    pub(crate) traceback: Vec<String>,
}

impl CellError {
    pub(crate) fn new(name: impl Into<String>, value: impl Into<String>) -> CellError {
        let (name, value) = (name.into(), value.into());
        let traceback = vec![format!("\u{1b}[31m{name}\u{1b}[0m: {value}")];
        CellError { name, value, traceback }
    }
}

impl From<huntbook_magics::MagicError> for CellError {
    fn from(error: huntbook_magics::MagicError) -> Self {
        // The message of a KQL error begins with its own headline and carries a caret: it must stay in columns.
        if error.kind == "KqlError" {
            let traceback = error.message.lines().map(str::to_owned).collect();
            return CellError { name: error.kind, value: error.message, traceback };
        }
        CellError::new(error.kind, error.message)
    }
}
