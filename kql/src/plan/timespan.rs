//! The time span of a run: rows of tables outside it are not there, as with the `timespan` of Log Analytics.

use super::{Binder, Bound, Table, Typed, compare::compare, scalar::conjunction};
use crate::{
    ast::{BinaryOp, KqlType},
    diagnostics::Span,
    value::Cell,
};

/// The column that the span is about.
const TIME: &str = "TimeGenerated";

impl Binder<'_> {
    /// The rows of a table that lie in the span; all of them where the table has no time.
    pub(super) fn in_timespan(&self, table: Table, span: &Span) -> Bound<Table> {
        let time = table.column(TIME).filter(|column| column.kql_type == KqlType::Datetime).map(Typed::column);
        let (Some((from, to)), Some(time)) = (self.timespan, time) else { return Ok(table) };
        let moment = |ticks: i64| Typed::constant(Cell::Long(ticks), KqlType::Datetime);
        let not_before = compare(BinaryOp::GreaterOrEqual, time.clone(), moment(from), span)?;
        let before = compare(BinaryOp::Less, time, moment(to), span)?;
        let inside = conjunction(vec![not_before, before]);
        Ok(Table { frame: table.frame.clone().filter(inside.expression), ..table })
    }
}
