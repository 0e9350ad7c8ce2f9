//! Subqueries that run while the query is planned, because the plan needs their rows.

use polars::prelude::*;

use super::{Binder, Bound, plan_error};
use crate::diagnostics::Span;

impl Binder<'_> {
    /// The rows of a subquery. They count as held memory, and cancelling stops it.
    pub(super) fn rows_now(&self, frame: LazyFrame, span: &Span) -> Bound<DataFrame> {
        self.watch.over_subquery(frame).collect().map_err(plan_error(span))
    }
}
