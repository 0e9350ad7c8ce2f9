//! `scan`: matches sequences of rows against steps.

use super::{Binder, Bound, ColumnInfo, Table, hosted::never_run, lets::Scope, not_executed};
use crate::{
    ast::{KqlType, Operator, Scan},
    diagnostics::{Diagnostic, codes},
};

impl Binder<'_> {
    pub(super) fn scan(&self, table: Table, scan: &Scan, operator: &Operator, scope: &Scope) -> Bound<Table> {
        let _ = scope;
        let mut columns = table.columns.clone();
        for declared in &scan.declared {
            let Some(kql_type) = declared.scalar_type else {
                let message = format!("`{}` must be a scalar", declared.name.text);
                return Err(Diagnostic::new(codes::TYPE, declared.name.span.clone(), message));
            };
            columns.push(ColumnInfo::new(&declared.name.text, kql_type));
        }
        if let Some(id) = super::union::text_of(&scan.parameters, &["with_match_id"]) {
            columns.push(ColumnInfo::new(id, KqlType::Long));
        }
        if self.checking {
            return Ok(never_run(columns));
        }
        Err(not_executed(operator.span.clone(), "operator `scan`"))
    }
}
