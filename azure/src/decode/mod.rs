//! Answers of Log Analytics (v1) and Kusto (v1, v2) from JSON straight into typed columns.
//!
//! Every cell goes from the text into its column, with no tree of values between; rows are read on all cores. Reading takes
//! one pass over the text, two if the guesses of the second core fail (see `rows`), and memory for the text and the
//! columns.

mod cells;
mod cursor;
mod rows;
mod tables;
mod ticks;

use thiserror::Error;

use crate::fault::Fault;
use crate::table::Answer;

/// Tells a reader that nobody waits for the answer any more.
pub type Stop<'a> = &'a (dyn Fn() -> bool + Sync);

/// What to do with an answer that the service says is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Partial {
    /// It is an error.
    #[default]
    Refuse,
    /// Its rows are handed out, with the reasons in [`Answer::partial`].
    Allow,
}

/// Why an answer is not usable.
#[derive(Debug, Error, PartialEq)]
pub enum DecodeError {
    #[error("the answer is empty")]
    Empty,
    #[error("the answer ends within its JSON, after {at} bytes: it was cut on the way")]
    Truncated { at: usize },
    #[error("the answer is not JSON at byte {at}: {what}")]
    NotJson { at: usize, what: String },
    #[error("the answer is not UTF-8 at byte {at}")]
    NotUtf8 { at: usize },
    #[error("the answer is not what a query service sends: {0}")]
    Shape(String),
    #[error("row {row} of the table `{table}` has {text} in the column `{column}`, which is no {kind}")]
    Cell { table: String, row: usize, column: String, kind: &'static str, text: String },
    /// The service gave no table, only this.
    #[error("{0}")]
    Failed(Box<Fault>),
    #[error("the service did not return all rows: {}", list(.0))]
    Partial(Vec<Fault>),
    #[error("interrupted")]
    Cancelled,
}

impl DecodeError {
    /// The same, when `rows` rows stand before the part that was read.
    fn behind(self, rows: usize) -> Self {
        match self {
            Self::Cell { table, row, column, kind, text } => Self::Cell { table, row: row + rows, column, kind, text },
            other => other,
        }
    }
}

fn list(faults: &[Fault]) -> String {
    faults.iter().map(|fault| fault.to_string().trim_end_matches('.').to_owned()).collect::<Vec<_>>().join("; ")
}

/// Reads the body of an answer; which service sent it is seen from its shape.
///
/// Errors: text that is not such an answer, a cell that is not of its column's type, a service error, and an incomplete
/// answer unless `partial` allows it. Nothing is returned that the service did not send.
pub fn decode(body: &[u8], partial: Partial, stop: Stop<'_>) -> Result<Answer, DecodeError> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let text = std::str::from_utf8(body).map_err(|error| DecodeError::NotUtf8 { at: error.valid_up_to() })?;
    let answer = tables::read(text, stop)?;
    if partial == Partial::Refuse && !answer.partial.is_empty() {
        return Err(DecodeError::Partial(answer.partial));
    }
    Ok(answer)
}
