//! What the server asks of the engine behind it. The workspace knows no KQL: whoever starts the server brings this.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use polars::prelude::DataFrame;

use crate::ColumnSchema;

/// The engine that runs queries over the workspace.
pub trait QueryService: Send + Sync + 'static {
    /// Runs a query to its end, on the calling thread. When `request.cancel` is cancelled it returns soon.
    fn run(&self, request: &QueryRequest) -> Result<QueryAnswer, QueryFailure>;

    /// Runs a data collection rule's `transformKql` over the rows it calls `source`.
    fn transform(&self, query: &str, source: DataFrame, columns: &[ColumnSchema]) -> Result<ResultTable, QueryFailure>;

    /// The functions that queries can call by name, with their text.
    fn functions(&self) -> Vec<(String, String)>;
}

/// A query as it came over HTTP.
#[derive(Clone, Debug, Default)]
pub struct QueryRequest {
    pub text: String,
    /// Every table that has the column of a scope is cut to it; several scopes hold together.
    pub scopes: Vec<TimeScope>,
    /// Values of `declare query_parameters`, as text: `5`, `datetime(2024-01-01)`, `"ann"`, `ann`.
    pub parameters: Vec<(String, String)>,
    /// Each result is cut to so many rows.
    pub first_rows: Option<u32>,
    pub cancel: Cancel,
}

/// Rows of a table whose `column` lies in `from..=to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeScope {
    pub column: String,
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
}

/// The results of a query.
#[derive(Debug)]
pub struct QueryAnswer {
    /// One per expression statement, and one per branch of a `fork` at the end; at least one
    pub tables: Vec<ResultTable>,
    pub render: Option<Rendering>,
    /// Rows that the tables gave, after the filters that the files themselves could apply
    pub scanned_rows: u64,
    pub took: Duration,
}

#[derive(Debug)]
pub struct ResultTable {
    /// One per column of `frame`, in its order
    pub columns: Vec<ResultColumn>,
    pub frame: DataFrame,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultColumn {
    pub name: String,
    /// `bool`, `datetime`, `decimal`, `dynamic` (JSON text in the frame), `guid`, `int`, `long`, `real`, `string`,
    /// `timespan`
    pub kql_type: String,
}

/// What the `render` at the end of a query asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendering {
    /// `timechart`, `piechart`, ...
    pub kind: String,
    /// `title`, `xcolumn`, `ycolumns`, ... with their texts
    pub properties: Vec<(String, String)>,
}

/// Why a query gave no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryFailure {
    /// The text is not KQL.
    Syntax(Mistake),
    /// A name, a type or a value in it is wrong.
    Semantic(Mistake),
    /// It failed while it ran.
    Execution(String),
    /// By [`QueryRequest::cancel`].
    Cancelled,
}

/// A mistake in the text of a query, as the service words it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// `SYN0002`, `SEM0100`, ...
    pub code: String,
    pub message: String,
    /// From 1
    pub line: usize,
    /// Characters in front of the mistake in its line
    pub position: usize,
    /// The text at fault
    pub token: String,
}

/// Says that nobody waits for a query any more. Clones are the same.
#[derive(Clone, Default)]
pub struct Cancel(Arc<Mutex<Cancelled>>);

type Hook = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Cancelled {
    yes: bool,
    hooks: Vec<Hook>,
}

impl Cancel {
    pub fn cancel(&self) {
        let hooks = {
            let mut state = self.state();
            state.yes = true;
            std::mem::take(&mut state.hooks)
        };
        hooks.into_iter().for_each(|hook| hook());
    }

    pub fn is_cancelled(&self) -> bool {
        self.state().yes
    }

    /// Calls `hook` when this is cancelled; at once if it is already.
    pub fn on_cancel(&self, hook: impl FnOnce() + Send + 'static) {
        let mut state = self.state();
        if !state.yes {
            state.hooks.push(Box::new(hook));
            return;
        }
        drop(state);
        hook();
    }

    fn state(&self) -> std::sync::MutexGuard<'_, Cancelled> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl std::fmt::Debug for Cancel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Cancel").field(&self.is_cancelled()).finish()
    }
}
