//! The way in: an engine over a catalog, with what a run may take.

use std::{ops::Range, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use polars::prelude::{DataFrame, LazyFrame};

use crate::{
    CancelToken, Catalog, Column, Diagnostic, Limits, Literal, Query, QueryError, Render, Stopped,
    ast::Statement,
    limits::Watch,
    now_ticks, parser,
    plan::{Binder, Table},
    result,
};

/// Runs KQL over the tables of a [`Catalog`].
///
/// An engine is cheap to clone, and its settings hold for the runs of that clone:
///
/// ```
/// # use huntbook_kql::{Engine, catalogs::Frames};
/// # use std::time::Duration;
/// let engine = Engine::new(Frames::new());
/// let careful = engine.clone().with_row_limit(100_000).with_time_limit(Duration::from_secs(30));
/// let three = careful.with_parameter("low", 3).run("declare query_parameters(low: long); print n = low").unwrap();
/// assert_eq!(three.frame.height(), 1);
/// ```
#[derive(Clone)]
pub struct Engine {
    pub(crate) catalog: Arc<dyn Catalog>,
    now: Option<DateTime<Utc>>,
    parameters: Vec<(String, Literal)>,
    timespan: Option<Range<DateTime<Utc>>>,
    piped_input: Option<LazyFrame>,
    cancel: CancelToken,
    limits: Limits,
    first_rows: Option<u32>,
    batches: bool,
}

/// A finished query.
#[derive(Debug, Clone)]
pub struct KqlTable {
    /// One entry per column of `frame`.
    pub schema: Vec<Column>,
    /// The rows, in ordinary polars types.
    pub frame: DataFrame,
    /// Set if the query ends in `render`.
    pub render: Option<Render>,
    /// How many results of the query are not here: where several statements give rows, this is the last of them.
    pub earlier_results: usize,
    /// What it took.
    pub stats: Stats,
}

/// What a run took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Rows of the result.
    pub rows: u64,
    /// Rows that the tables gave, after the filters that the files themselves could apply.
    pub scanned_rows: u64,
    /// Parsing, binding and planning; subqueries that the plan needs (`toscalar`, `pivot`, ...) run in it.
    pub planning: Duration,
    /// Running the plan.
    pub running: Duration,
}

/// A query that is ready to run.
struct Planned {
    table: Table,
    render: Option<Render>,
    /// Whether it runs in batches.
    streams: bool,
    earlier_results: usize,
}

impl Engine {
    /// An engine over these tables and functions.
    pub fn new(catalog: impl Catalog + 'static) -> Self {
        Self {
            catalog: Arc::new(catalog),
            now: None,
            parameters: Vec::new(),
            timespan: None,
            piped_input: None,
            cancel: CancelToken::new(),
            limits: Limits::default(),
            first_rows: None,
            batches: false,
        }
    }

    /// What `now()` is; the clock if not set.
    #[must_use]
    pub fn with_now(self, now: DateTime<Utc>) -> Self {
        Self { now: Some(now), ..self }
    }

    /// A value for `declare query_parameters(name: type)`, and behind `${name}`. It is bound as a typed
    /// value and never becomes text of the query. It goes before [`Catalog::scalar`].
    #[must_use]
    pub fn with_parameter(mut self, name: impl Into<String>, value: impl Into<Literal>) -> Self {
        let name = name.into();
        self.parameters.retain(|(known, _)| *known != name);
        self.parameters.push((name, value.into()));
        self
    }

    /// Rows of tables whose `TimeGenerated` lies outside are not there: from the start until before the end. Tables
    /// without that column have all their rows. The filter reaches the files.
    #[must_use]
    pub fn with_timespan(self, timespan: Range<DateTime<Utc>>) -> Self {
        Self { timespan: Some(timespan), ..self }
    }

    /// The frame on the left of the query, whose text then begins with an operator.
    #[must_use]
    pub fn with_piped_input(self, frame: LazyFrame) -> Self {
        Self { piped_input: Some(frame), ..self }
    }

    /// Cancelling the token stops the runs of this engine, within a batch of rows or so: see [`CancelToken`].
    #[must_use]
    pub fn with_cancel_token(self, token: CancelToken) -> Self {
        Self { cancel: token, ..self }
    }

    /// Sets all limits at once.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// A result of more rows is an error.
    #[must_use]
    pub fn with_row_limit(mut self, rows: u64) -> Self {
        self.limits.rows = Some(rows);
        self
    }

    /// A longer run is an error.
    #[must_use]
    pub fn with_time_limit(mut self, time: Duration) -> Self {
        self.limits.time = Some(time);
        self
    }

    /// More bytes of rows are an error; see [`Limits::memory`] for what counts.
    #[must_use]
    pub fn with_memory_limit(mut self, bytes: u64) -> Self {
        self.limits.memory = Some(bytes);
        self
    }

    /// The result is cut to its first rows, for hosts that say so themselves: ask for one more than is delivered
    /// to know whether there are more.
    #[must_use]
    pub fn with_first_rows(self, rows: u32) -> Self {
        Self { first_rows: Some(rows), ..self }
    }

    /// Every query runs in batches, also over small frames: it takes less memory and can be stopped inside a join of
    /// two of them, but keeps no order of rows that the query does not ask for.
    #[must_use]
    pub fn in_batches(self) -> Self {
        Self { batches: true, ..self }
    }

    /// Parses a query. Mistakes are reported, and what could be read is in the tree.
    pub fn parse(&self, query: &str) -> (Query, Vec<Diagnostic>) {
        parser::parse(query, self.piped_input.is_some())
    }

    /// The optimised polars plan of a query, as text: shows what reaches the files.
    ///
    /// Errors: mistakes in the query, and plans that polars refuses.
    pub fn explain(&self, query: &str) -> Result<String, QueryError> {
        let planned = self.plan(query, &Watch::idle())?;
        planned.table.canonical().frame.explain(true).map_err(|error| QueryError::Execution(error.to_string()))
    }

    /// Parses, binds, plans and runs a query.
    ///
    /// Errors: mistakes in the query, a plan that fails while it runs, and a run that was stopped.
    pub fn run(&self, query: &str) -> Result<KqlTable, QueryError> {
        let watch = Watch::running(self.cancel.clone(), self.limits);
        let ran = self.run_watched(query, &watch);
        // Whatever polars made of it, a stop is the reason that the caller needs.
        match watch.stopped() {
            Some(stopped) => Err(QueryError::Stopped(stopped.clone())),
            None => ran,
        }
    }

    /// The run itself, whose failure may hide that it was stopped.
    fn run_watched(&self, query: &str, watch: &Arc<Watch>) -> Result<KqlTable, QueryError> {
        let stopped = |why: Stopped| QueryError::Stopped(why);
        watch.check().map_err(stopped)?;
        let Planned { table, render, streams, earlier_results } = self.plan(query, watch)?;
        let planning = watch.elapsed();
        let table = table.canonical();
        let frame = self.first_rows.map_or_else(|| table.frame.clone(), |rows| table.frame.clone().limit(rows));
        let table = Table { frame: watch.over_result(frame), ..table };
        let (frame, schema) = result::collect(table, streams)?;
        watch.check().map_err(stopped)?;
        let stats = Stats {
            rows: frame.height() as u64,
            scanned_rows: watch.scanned(),
            planning,
            running: watch.elapsed().saturating_sub(planning),
        };
        Ok(KqlTable { schema, frame, render, earlier_results, stats })
    }

    fn plan(&self, query: &str, watch: &Arc<Watch>) -> Result<Planned, QueryError> {
        let (tree, diagnostics) = self.parse(query);
        if !diagnostics.is_empty() {
            return Err(QueryError::Diagnostics(diagnostics));
        }
        let _planning = watch.planning();
        let binder = self.configured(Binder::new(self.catalog.as_ref(), self.now(), self.piped_input.clone()));
        let binder = binder.watched(watch.clone());
        binder.streams.set(self.batches);
        let located = |diagnostic: Diagnostic| QueryError::Diagnostics(vec![diagnostic.located(query)]);
        let (table, render) = binder.query(&tree).map_err(located)?;
        let results = tree.statements.iter().filter(|statement| matches!(statement, Statement::Expression(_))).count();
        Ok(Planned { table, render, streams: binder.streams.get(), earlier_results: results.saturating_sub(1) })
    }

    /// A binder that only checks.
    pub(crate) fn checker(&self) -> Binder<'_> {
        self.configured(Binder::checker(self.catalog.as_ref(), self.now(), self.piped_input.clone()))
    }

    fn configured<'a>(&'a self, binder: Binder<'a>) -> Binder<'a> {
        let ticks = |span: &Range<DateTime<Utc>>| (now_ticks(span.start), now_ticks(span.end));
        binder.with_parameters(&self.parameters).with_timespan(self.timespan.as_ref().map(ticks))
    }

    fn now(&self) -> i64 {
        now_ticks(self.now.unwrap_or_else(Utc::now))
    }
}
