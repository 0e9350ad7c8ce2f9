//! What may stop a running query: a cancel token, and limits on time, rows and memory.
//!
//! A query is watched by the row functions of its expressions, which also run inside scans, and by plan nodes that see
//! its batches pass: above each table, behind operators that multiply rows, and at its end. The nodes are transparent to predicates, projections and slices. When one of these
//! fails, polars stops the pipeline it stands in, so a cancelled query ends within a batch or so. A step that
//! polars does in one piece (a sort, the end of a group-by, any step over a frame small enough to run in memory) is
//! not interrupted; what comes after it is.

use std::{
    cell::RefCell,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use polars::prelude::*;

/// Stops queries from another thread. Clones are the same token; it stays cancelled once it is.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A token that is not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops every query that was given this token.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether [`CancelToken::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// What a query may take; `None` is no limit. Beyond a limit a query is an error, never a shortened result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Rows of the result.
    pub rows: Option<u64>,
    /// Planning and running together.
    pub time: Option<Duration>,
    /// Estimated bytes of the result and of subqueries whose rows are held while the query is planned
    /// (`toscalar`, `in (...)`, `bag_unpack`, `pivot`, lookups). It does not cover what polars holds
    /// for itself meanwhile: hash tables of joins and groups, buffers of sorts, open files.
    pub memory: Option<u64>,
}

/// Why a query was stopped before its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// By its [`CancelToken`].
    #[error("the query was cancelled")]
    Cancelled,
    /// More rows than [`Limits::rows`].
    #[error(
        "the result has more than {0} rows, which is the row limit: aggregate with `summarize`, end the query with `| take {0}`, or raise the limit"
    )]
    Rows(u64),
    /// Longer than [`Limits::time`].
    #[error(
        "the query ran longer than {0:?}, which is the time limit: narrow it, for example with `| where TimeGenerated > ago(1d)` behind the table, or raise the limit"
    )]
    Time(Duration),
    /// More bytes than [`Limits::memory`].
    #[error(
        "the rows of the query take more than {}, which is the memory limit: `project` fewer columns, aggregate with `summarize`, or raise the limit",
        bytes(*.0)
    )]
    Memory(u64),
}

/// `512 MB`
fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["bytes", "kB", "MB", "GB"];
    let mut amount = count as f64;
    let mut unit = 0;
    while amount >= 1000.0 && unit + 1 < UNITS.len() {
        amount /= 1000.0;
        unit += 1;
    }
    format!("{} {}", (amount * 10.0).round() / 10.0, UNITS[unit])
}

thread_local! {
    /// The run that is being planned on this thread: its row functions keep it.
    static PLANNED: RefCell<Option<Arc<Watch>>> = const { RefCell::new(None) };
}

/// The watch of the run that is being planned on this thread, for the functions in its plan.
pub(crate) fn planned() -> Option<Arc<Watch>> {
    PLANNED.with_borrow(Clone::clone)
}

/// Until it is dropped, [`planned`] gives its watch.
pub(crate) struct Planning(Option<Arc<Watch>>);

impl Drop for Planning {
    fn drop(&mut self) {
        PLANNED.set(self.0.take());
    }
}

/// Watches one run of one query.
pub(crate) struct Watch {
    /// Only a query that runs is watched; a plan that is checked or explained stays bare.
    active: bool,
    cancel: CancelToken,
    limits: Limits,
    began: Instant,
    scanned: AtomicU64,
    rows: AtomicU64,
    held: AtomicU64,
    stopped: OnceLock<Stopped>,
}

impl Watch {
    /// Watches nothing.
    pub(crate) fn idle() -> Arc<Self> {
        Arc::new(Self { active: false, ..Self::new(CancelToken::new(), Limits::default()) })
    }

    /// Watches a run that begins now.
    pub(crate) fn running(cancel: CancelToken, limits: Limits) -> Arc<Self> {
        Arc::new(Self::new(cancel, limits))
    }

    fn new(cancel: CancelToken, limits: Limits) -> Self {
        Self {
            active: true,
            cancel,
            limits,
            began: Instant::now(),
            scanned: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            held: AtomicU64::new(0),
            stopped: OnceLock::new(),
        }
    }

    /// Planning begins on this thread.
    pub(crate) fn planning(self: &Arc<Self>) -> Planning {
        Planning(PLANNED.replace(self.active.then(|| self.clone())))
    }

    /// As [`Watch::check`], for functions inside a plan.
    pub(crate) fn check_batch(&self) -> PolarsResult<()> {
        self.check().map_err(|stopped| PolarsError::ComputeError(stopped.to_string().into()))
    }

    /// Time since the run began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Rows that the tables gave, after the filters that the files themselves could apply.
    pub(crate) fn scanned(&self) -> u64 {
        self.scanned.load(Ordering::Relaxed)
    }

    /// The reason, if a check has failed.
    pub(crate) fn stopped(&self) -> Option<&Stopped> {
        self.stopped.get()
    }

    /// Fails if the query is cancelled or out of time.
    pub(crate) fn check(&self) -> Result<(), Stopped> {
        if self.cancel.is_cancelled() {
            return self.stop(Stopped::Cancelled);
        }
        match self.limits.time {
            Some(limit) if self.began.elapsed() > limit => self.stop(Stopped::Time(limit)),
            _ => Ok(()),
        }
    }

    /// Keeps the first reason: later ones follow from it.
    fn stop(&self, why: Stopped) -> Result<(), Stopped> {
        Err(self.stopped.get_or_init(|| why).clone())
    }

    fn hold(&self, batch: &DataFrame) -> Result<(), Stopped> {
        let size = batch.estimated_size() as u64;
        let held = self.held.fetch_add(size, Ordering::Relaxed) + size;
        match self.limits.memory {
            Some(limit) if held > limit => self.stop(Stopped::Memory(limit)),
            _ => Ok(()),
        }
    }

    fn count(&self, batch: &DataFrame) -> Result<(), Stopped> {
        let height = batch.height() as u64;
        let rows = self.rows.fetch_add(height, Ordering::Relaxed) + height;
        match self.limits.rows {
            Some(limit) if rows > limit => self.stop(Stopped::Rows(limit)),
            _ => Ok(()),
        }
    }

    /// Above a table.
    pub(crate) fn over_table(self: &Arc<Self>, frame: LazyFrame) -> LazyFrame {
        self.over(frame, "watched table", |watch, batch| {
            watch.scanned.fetch_add(batch.height() as u64, Ordering::Relaxed);
            watch.check()
        })
    }

    /// Behind an operator that may give many rows for one.
    pub(crate) fn over_step(self: &Arc<Self>, frame: LazyFrame) -> LazyFrame {
        self.over(frame, "watched step", |watch, _| watch.check())
    }

    /// At the end of a subquery whose rows are held.
    pub(crate) fn over_subquery(self: &Arc<Self>, frame: LazyFrame) -> LazyFrame {
        self.over(frame, "watched subquery", |watch, batch| {
            watch.check()?;
            watch.hold(batch)
        })
    }

    /// At the end of the query.
    pub(crate) fn over_result(self: &Arc<Self>, frame: LazyFrame) -> LazyFrame {
        self.over(frame, "watched result", |watch, batch| {
            watch.check()?;
            watch.count(batch)?;
            watch.hold(batch)
        })
    }

    /// The name of a node stands for what it does: polars runs equal subplans once.
    fn over(
        self: &Arc<Self>,
        frame: LazyFrame,
        name: &'static str,
        look: impl Fn(&Watch, &DataFrame) -> Result<(), Stopped> + Send + Sync + 'static,
    ) -> LazyFrame {
        if !self.active {
            return frame;
        }
        let watch = self.clone();
        let look = move |batch: DataFrame| match look(&watch, &batch) {
            Ok(()) => Ok(batch),
            Err(stopped) => Err(PolarsError::ComputeError(stopped.to_string().into())),
        };
        let transparent = AllowedOptimizations::PREDICATE_PUSHDOWN
            | AllowedOptimizations::PROJECTION_PUSHDOWN
            | AllowedOptimizations::STREAMING;
        frame.map(look, transparent, None, Some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        assert_eq!([17, 2_500, 512_000_000].map(bytes), ["17 bytes", "2.5 kB", "512 MB"]);
    }

    #[test]
    fn the_first_reason_counts() {
        let watch = Watch::running(CancelToken::new(), Limits { rows: Some(1), ..Limits::default() });
        let two = DataFrame::new(2, vec![Column::new("a".into(), [1i64, 2])]).unwrap();
        assert_eq!(watch.count(&two), Err(Stopped::Rows(1)));
        watch.cancel.cancel();
        assert_eq!(watch.check(), Err(Stopped::Rows(1)));
        assert_eq!(watch.stopped(), Some(&Stopped::Rows(1)));
    }
}
