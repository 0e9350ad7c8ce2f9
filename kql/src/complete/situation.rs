//! What is known at the cursor: names in scope, and the columns of the rows that come in.

use std::ops::Range;

use super::{
    candidates,
    cursor::Cursor,
    regions::{self, Kind, Region, operator_name},
};
use crate::{
    Catalog, Engine,
    ast::{Expr, ExprKind, KqlType, Parameter, Statement},
    hover, parser,
    plan::{Binder, ColumnInfo, Known, Scope, Table},
};

pub(crate) struct Situation<'c> {
    binder: Binder<'c>,
    pub(super) scope: Scope,
    /// The rows in front of the operator that holds the cursor; `None` in a source, or if unknown.
    pub(super) table: Option<Table>,
    pub(super) region: Region,
    /// The region is the whole text, so that statements may begin here.
    pub(super) is_outermost: bool,
}

impl<'c> Situation<'c> {
    pub(crate) fn new(cursor: &Cursor<'_>, engine: &'c Engine) -> Self {
        let binder = engine.checker();
        let regions = regions::regions(cursor);
        let mut scope = Scope::default();
        let mut table = None;
        for region in &regions {
            let input = match &region.kind {
                Kind::Body(operator) => body_input(&binder, cursor, operator.clone(), table.take(), &scope),
                Kind::Lambda(parameters) => {
                    scope = scope.with_parameters(&parameters_of(cursor.slice(parameters.clone())));
                    None
                }
                Kind::Pipeline => None,
            };
            let (earlier, _) = parser::parse(cursor.slice(region.tokens.start..region.statement), false);
            scope = binder.names_of(&earlier, &scope);
            table = match (region.pipe, &region.kind) {
                (None, Kind::Body(_)) => input,
                (None, _) => None,
                (Some(pipe), kind) => {
                    let is_body = matches!(kind, Kind::Body(_));
                    let pipeline = expression(cursor.slice(region.pipeline..pipe), is_body);
                    pipeline.and_then(|pipeline| binder.rows_of(&pipeline, input, &scope))
                }
            };
        }
        let is_outermost = regions.len() == 1;
        // There is always the whole text.
        let region = regions.last().cloned().unwrap_or(Region {
            kind: Kind::Pipeline,
            tokens: 0..0,
            statement: 0,
            pipeline: 0,
            pipe: None,
        });
        Self { binder, scope, table, region, is_outermost }
    }

    pub(super) fn columns(&self) -> &[ColumnInfo] {
        self.table.as_ref().map_or(&[], |table| &table.columns)
    }

    /// What is known about a name at the end of the cursor's text, for [`crate::hover()`].
    pub(crate) fn named(
        &self,
        cursor: &Cursor<'_>,
        name: &str,
        is_called: bool,
        catalog: &dyn Catalog,
    ) -> Option<String> {
        let one = |column: &ColumnInfo| (column.name.clone(), (!column.unknown).then(|| column.kql_type.name()));
        let all =
            |columns: &[ColumnInfo]| columns.iter().filter(|column| !column.is_open()).map(one).collect::<Vec<_>>();
        let is_member = cursor.end().checked_sub(1).is_some_and(|last| cursor.symbol(last) == Some("."));
        if is_member {
            return None;
        }
        if let Some(column) = self.columns().iter().find(|column| column.name == name && !is_called) {
            let kql_type = if column.unknown { "known when the query runs" } else { column.kql_type.name() };
            return Some(format!("`{name}`: column, {kql_type}"));
        }
        match self.scope.known(name) {
            Some(Known::Scalar(kql_type)) => return Some(format!("`{name}`: {kql_type}, from `let`")),
            Some(Known::Table(columns)) => return Some(hover::table(name, "table, from `let`", &all(columns))),
            Some(Known::Function(parameters)) => {
                return Some(format!("`{}`\n\nA function, from `let`.", candidates::signature(name, parameters)));
            }
            None => {}
        }
        if let Some(function) = catalog.table_function(name) {
            let columns: Vec<_> =
                function.columns.iter().map(|column| (column.name.clone(), Some(column.kql_type.name()))).collect();
            return Some(hover::table(name, "function that gives a table", &columns));
        }
        if is_called || !catalog.table_names().iter().any(|table| table == name) {
            return None;
        }
        let columns = self.columns_of(&candidates::written(name));
        Some(hover::table(name, "table", &all(&columns)))
    }

    /// The type of an expression over the rows at the cursor.
    pub(super) fn type_of(&self, text: &str) -> Option<KqlType> {
        self.binder.type_of(&expression(text, false)?, self.columns(), &self.scope)
    }

    /// The columns of a subquery, as the right side of a `join` is one.
    pub(super) fn columns_of(&self, text: &str) -> Vec<ColumnInfo> {
        let table = expression(text, false).and_then(|right| self.binder.rows_of(&right, None, &self.scope));
        table.map_or_else(Vec::new, |table| table.columns)
    }
}

/// What `mv-apply ... on (` and `partition by x (` begin with.
fn body_input(
    binder: &Binder<'_>,
    cursor: &Cursor<'_>,
    operator: Range<usize>,
    table: Option<Table>,
    scope: &Scope,
) -> Option<Table> {
    let (name, items) = operator_name(cursor, operator.clone());
    if name == "partition" {
        return table;
    }
    // The elements have the columns that `mv-expand` would give.
    let expanded = format!("mv-expand {}", cursor.slice(items..operator.end.saturating_sub(1)));
    binder.rows_of(&expression(&expanded, true)?, table, scope)
}

/// The first expression of a text.
pub(super) fn expression(text: &str, is_piped: bool) -> Option<Expr> {
    let (query, _) = parser::parse(text, is_piped);
    query.statements.into_iter().find_map(|statement| match statement {
        Statement::Expression(expression) => Some(expression),
        _ => None,
    })
}

/// `(name: type, ...)`
pub(super) fn parameters_of(text: &str) -> Vec<Parameter> {
    let (query, _) = parser::parse(&format!("let f = {text} {{ print 1 }};"), false);
    match query.statements.into_iter().next() {
        Some(Statement::Let { value: Expr { kind: ExprKind::Lambda { parameters, .. }, .. }, .. }) => parameters,
        _ => Vec::new(),
    }
}
