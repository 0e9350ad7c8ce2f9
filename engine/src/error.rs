use std::fmt;
use std::path::Path;

use huntbook_wire::EngineError;
use polars::prelude::PolarsError;

/// What went wrong, for a person: a short kind and a message that says what, where, why and what to try.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    pub kind: String,
    pub message: String,
}

impl Error {
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Error {
        Error { kind: kind.into(), message: message.into() }
    }

    pub(crate) fn io(action: &str, path: &Path, error: &std::io::Error) -> Error {
        Error::new("IoError", format!("cannot {action} {}: {error}", path.display()))
    }

    pub(crate) fn cancelled() -> Error {
        Error::new("Interrupted", "the cell was interrupted")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<Error> for EngineError {
    fn from(error: Error) -> Self {
        EngineError::new(error.kind, error.message)
    }
}

impl From<PolarsError> for Error {
    fn from(error: PolarsError) -> Self {
        let kind = match &error {
            PolarsError::ColumnNotFound(_) | PolarsError::SchemaFieldNotFound(_) | PolarsError::Duplicate(_) => {
                "ColumnError"
            }
            PolarsError::IO { .. } => "IoError",
            _ => "FrameError",
        };
        // polars appends the plan it was resolving: words for its developers, not for a hunter.
        let text = error.to_string();
        let message = text.split("\n\nResolved plan until failure").next().unwrap_or(&text);
        Error::new(kind, message.trim())
    }
}

impl From<huntbook_workspace::WorkspaceError> for Error {
    fn from(error: huntbook_workspace::WorkspaceError) -> Self {
        Error::new("WorkspaceError", error.to_string())
    }
}

impl From<huntbook_factorization::Error> for Error {
    fn from(error: huntbook_factorization::Error) -> Self {
        if matches!(error, huntbook_factorization::Error::Cancelled { .. }) {
            return Error::cancelled();
        }
        Error::new("AccessAnomalyError", error.to_string())
    }
}

impl From<huntbook_plots::PlotError> for Error {
    fn from(error: huntbook_plots::PlotError) -> Self {
        Error::new("PlotError", error.to_string())
    }
}

impl From<huntbook_azure::custom_table::NameError> for Error {
    fn from(error: huntbook_azure::custom_table::NameError) -> Self {
        Error::new("LaWriteError", error.to_string())
    }
}
