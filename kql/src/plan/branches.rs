//! `facet`, `fork`, and `partition` where the subquery must see its part of the rows alone.

use polars::prelude::*;

use super::{
    Binder, Bound, ColumnInfo, Table, Typed,
    grouped::call,
    hosted::never_run,
    lets::{Binding, Scope},
    not_executed, plan_error,
};
use crate::{
    ast::{Expr as Ast, Name, NamedExpr, Operator, OperatorKind},
    diagnostics::{Diagnostic, Span, codes},
    rows::{self, named},
    value::Value,
};

/// So many parts may a `partition` have whose subquery runs once for each, as in Kusto.
const MAX_PARTS: usize = 64;

impl Binder<'_> {
    /// `facet by a`: how often each value occurs. Several columns give several tables, a query here one.
    pub(super) fn facet(
        &self,
        table: Table,
        columns: &[Name],
        with: Option<&[Operator]>,
        operator: &Operator,
        scope: &Scope,
    ) -> Bound<Table> {
        let rows_scope = scope.with_rows(&table.columns);
        for name in columns {
            if table.column(&name.text).is_none() && !rows_scope.is_open() {
                return Err(self.unknown_column(&name.text, &name.span, &rows_scope));
            }
        }
        if let Some(body) = with {
            self.piped_through(table.clone(), body, &scope.without_rows())?;
        }
        match columns {
            [only] if with.is_none() => {
                let span = &operator.span;
                let measure = Name { text: format!("count_{}", only.text), span: span.clone() };
                let counted = NamedExpr { names: vec![measure], value: call("count", span) };
                let key = Ast { kind: crate::ast::ExprKind::Name(only.text.clone()), span: only.span.clone() };
                let by = vec![NamedExpr { names: Vec::new(), value: key }];
                let kind = OperatorKind::Summarize { aggregates: vec![counted], by };
                self.operator(table, &Operator { kind, span: span.clone() }, scope)
            }
            _ if self.checking => Ok(never_run(vec![ColumnInfo::open()])),
            _ => Err(several_tables(operator, "facet", columns.len() + usize::from(with.is_some()))
                .with_hint("run `facet by` for each column in a query of its own")),
        }
    }

    /// `fork`: the subqueries beside each other. Each gives a table, and a query here gives one.
    pub(super) fn fork(
        &self,
        table: Table,
        branches: &[(Option<Name>, Vec<Operator>)],
        operator: &Operator,
        scope: &Scope,
    ) -> Bound<Table> {
        let mut results = Vec::new();
        for (_, body) in branches {
            results.push(self.piped_through(table.clone(), body, &scope.without_rows())?);
        }
        match results.len() {
            1 => Ok(results.swap_remove(0)),
            _ if self.checking => Ok(never_run(vec![ColumnInfo::open()])),
            count => Err(several_tables(operator, "fork", count)
                .with_hint("run each subquery in a query of its own, or join them with `union`")),
        }
    }

    /// `partition by column { query }`: the query runs for each value of the column, which it
    /// knows as `toscalar(column)`.
    pub(super) fn partition_query(
        &self,
        table: Table,
        by: &Name,
        query: &Ast,
        operator: &Operator,
        scope: &Scope,
    ) -> Bound<Table> {
        let column = self.partition_column(&table, by, scope)?;
        let outer = scope.without_rows();
        if self.checking {
            let value = super::unexecuted::placeholder(column.kql_type);
            return self.table(query, &outer.with(&by.text, Binding::Scalar(value)));
        }
        let span = &operator.span;
        let mut results = Vec::new();
        for value in self.values_of(&table, &column, span)? {
            let value = Typed::constant(value, column.kql_type);
            results.push(self.table(query, &outer.with(&by.text, Binding::Scalar(value)))?.canonical());
        }
        self.together(results, span)
    }

    /// As [`Binder::partition`], part by part: slower, and right for every operator.
    pub(super) fn partition_by_parts(
        &self,
        table: Table,
        by: &Name,
        body: &[Operator],
        operator: &Operator,
        scope: &Scope,
    ) -> Bound<Table> {
        let span = &operator.span;
        let column = self.partition_column(&table, by, scope)?;
        let table = table.canonical();
        let mut results = Vec::new();
        for value in self.values_of(&table, &column, span)? {
            let wanted = rows::literal(&value, column.kql_type);
            let frame = table.frame.clone().filter(named(&by.text).eq_missing(wanted));
            let part = Table { serialized: table.serialized, ..table.with(frame, table.columns.clone()) };
            results.push(self.piped_through(part, body, &scope.without_rows())?.canonical());
        }
        self.together(results, span)
    }

    pub(super) fn partition_column(&self, table: &Table, by: &Name, scope: &Scope) -> Bound<ColumnInfo> {
        let found = table.column(&by.text).cloned();
        found.ok_or_else(|| self.unknown_column(&by.text, &by.span, &scope.with_rows(&table.columns)))
    }

    /// The values that part the rows, in the order of their first appearance.
    fn values_of(&self, table: &Table, column: &ColumnInfo, span: &Span) -> Bound<Vec<Value>> {
        let frame = table.frame.clone().select([column.expression().alias("value")]);
        let frame = self.collected(frame.unique_stable(None, UniqueKeepStrategy::First), span)?;
        if frame.height() > MAX_PARTS {
            let message = format!(
                "`{}` has {} values: a subquery that runs for each of them may have at most {MAX_PARTS}",
                column.name,
                frame.height()
            );
            return Err(Diagnostic::new(codes::VALUE, span.clone(), message)
                .with_hint("filter the rows first, or use `summarize ... by`"));
        }
        let series = frame.columns()[0].as_materialized_series().rechunk();
        let reader = rows::Reader::new(&series).map_err(plan_error(span))?;
        Ok((0..frame.height()).map(|row| reader.get(row).into_owned()).collect())
    }

    /// The results one below the other.
    fn together(&self, results: Vec<Table>, span: &Span) -> Bound<Table> {
        if results.is_empty() {
            return Err(not_executed(span.clone(), "`partition` of no rows with this subquery"));
        }
        self.stacked(results, false, None, span)
    }
}

fn several_tables(operator: &Operator, name: &str, count: usize) -> Diagnostic {
    not_executed(operator.span.clone(), format!("`{name}` with {count} results"))
}
