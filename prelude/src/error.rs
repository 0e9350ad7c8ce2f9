use std::fmt;

use huntbook_wire::EngineError;

/// An error of the engine or of the way to it.
#[derive(Clone, PartialEq)]
pub struct Error(pub(crate) EngineError);

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn new(kind: &str, message: impl Into<String>) -> Error {
        Error(EngineError::new(kind, message))
    }

    /// Short name of the kind: `KqlError`, `WorkspaceError`, `ColumnError`...
    pub fn kind(&self) -> &str {
        &self.0.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.kind, self.0.message)
    }
}

/// As [`fmt::Display`]: `unwrap()` in a cell should read as well as `?`.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}
