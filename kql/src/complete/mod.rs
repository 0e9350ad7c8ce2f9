//! What may stand at the cursor: tables, operators, columns, functions, best first.
//!
//! The text in front of the cursor is bound as far as it goes, so the columns offered are those of
//! the pipeline at the cursor: after `summarize` or `project`, what these leave. The text may be
//! broken anywhere.

mod candidates;
pub(crate) mod cursor;
mod expressions;
mod offers;
mod rank;
mod regions;
pub(crate) mod situation;

use std::ops::Range;

use crate::Engine;
use cursor::Cursor;
use situation::Situation;

/// What a completion stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompletionKind {
    /// A table of the catalog or of a `let`
    Table,
    /// A column of the rows at the cursor
    Column,
    /// A scalar of a `let`
    Variable,
    /// A scalar function, or one of a `let` or of the host
    Function,
    /// An aggregate of `summarize`
    Aggregate,
    /// An operator behind a pipe, or a source such as `print`
    Operator,
    /// `has`, `==` and the like
    Infix,
    /// `by`, `on`, `asc`
    Keyword,
    /// `kind=`, `hint.strategy=`
    Parameter,
    /// A join kind, a chart
    Value,
    /// `string`, `long`
    Type,
    /// A plug-in of `evaluate`
    Plugin,
}

impl CompletionKind {
    /// One word, as completers show it beside the name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Column => "column",
            Self::Variable => "variable",
            Self::Function => "function",
            Self::Aggregate => "aggregate",
            Self::Operator | Self::Infix => "operator",
            Self::Keyword => "keyword",
            Self::Parameter => "parameter",
            Self::Value => "value",
            Self::Type => "type",
            Self::Plugin => "plugin",
        }
    }
}

/// One thing that may stand at the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// What is shown and matched.
    pub label: String,
    /// What takes the place of [`Completions::replace`].
    pub insert: String,
    /// What it is.
    pub kind: CompletionKind,
    /// A type or a signature, on one line.
    pub detail: Option<String>,
    /// One sentence.
    pub documentation: Option<String>,
}

/// The answer to [`complete`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completions {
    /// Bytes of the text that a completion takes the place of.
    pub replace: Range<usize>,
    /// Best first.
    pub items: Vec<Completion>,
}

impl Engine {
    /// What may stand at `cursor`, a byte of `text`. Reads no rows, and answers within milliseconds
    /// for a catalog of a thousand tables.
    pub fn complete(&self, text: &str, cursor: usize) -> Completions {
        let cursor = Cursor::new(text, cursor);
        let situation = Situation::new(&cursor, self);
        let (replace, typed, found) = offers::at(&cursor, &situation, self.catalog.as_ref());
        Completions { replace, items: rank::ranked(found, &typed) }
    }
}
