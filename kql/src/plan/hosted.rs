//! What the host supplies besides tables: tabular functions such as `_GetWatchlist`, and tables
//! named by a computed text.

use polars::prelude::IntoLazy;

use super::{Binder, Bound, ColumnInfo, Table, calls, lets::Scope, not_executed};
use crate::{
    ast::{Argument, Expr as Ast, ExprKind, Literal, Name},
    diagnostics::{Diagnostic, codes},
    lexer,
    value::{self, Cell},
};

impl Binder<'_> {
    /// Only while checking: a table by its declared columns. Nothing is opened.
    pub(super) fn declared_table(&self, name: &str) -> Option<Table> {
        let declared = self.catalog.schema(name)?;
        let columns = declared.iter().map(|column| ColumnInfo::new(column.name.as_str(), column.kql_type)).collect();
        Some(Table { name: Some(name.to_string()), ..never_run(columns) })
    }

    /// A call of a tabular function of the host.
    pub(super) fn hosted_call(&self, name: &Name, arguments: &[Argument], scope: &Scope) -> Bound<Option<Table>> {
        let Some(function) = self.catalog.table_function(&name.text) else { return Ok(None) };
        let scope = scope.without_rows();
        let mut literals = Vec::with_capacity(arguments.len());
        for (at, argument) in arguments.iter().enumerate() {
            let wanted = match &argument.name {
                Some(given) => function.parameters.iter().find(|parameter| parameter.name == given.text),
                None => function.parameters.get(at),
            };
            let Some(wanted) = wanted else {
                let message = format!("`{}` has no such parameter", name.text);
                return Err(Diagnostic::new(codes::ARGUMENTS, argument.value.span.clone(), message));
            };
            let bound = self.scalar(&argument.value, &scope)?;
            if self.checking {
                continue;
            }
            let Some(constant) = bound.converted(wanted.kql_type).constant else {
                let message = format!("the arguments of `{}` must be constants", name.text);
                return Err(Diagnostic::new(codes::VALUE, argument.value.span.clone(), message));
            };
            literals.push((wanted.name.clone(), literal_of(&constant, wanted.kql_type)));
        }
        if self.checking {
            let columns = function.columns.iter().map(|column| ColumnInfo::new(&column.name, column.kql_type));
            return Ok(Some(Table { name: Some(name.text.clone()), ..never_run(columns.collect()) }));
        }
        match self.catalog.call_table_function(&name.text, &literals) {
            Ok(frame) => self.host_frame(frame, &function.columns, &name.span).map(Some),
            Err(problem) => Err(Diagnostic::new(
                codes::UNREADABLE_TABLE,
                name.span.clone(),
                format!("`{}` gives no table: {problem}", name.text),
            )),
        }
    }

    /// `table("name")`
    pub(super) fn named_table(&self, name: &Name, arguments: &[Argument], scope: &Scope) -> Bound<Table> {
        let Some(argument) = arguments.first().filter(|_| arguments.len() <= 2) else {
            return Err(calls::wrong_count(name, 1, 2, arguments.len()));
        };
        let span = &argument.value.span;
        let text = self.scalar(&argument.value, &scope.without_rows())?;
        match &text.constant {
            Some(Cell::Str(text)) => match self.catalog_table(text, span)? {
                Some(table) => Ok(table),
                None => Err(self.unknown_table(text, span, scope)),
            },
            _ if self.checking => Ok(never_run(vec![ColumnInfo::open()])),
            _ => Err(not_executed(span.clone(), "a computed table name")),
        }
    }

    /// `cluster("x").database("y").Table`: there is nothing remote here.
    pub(super) fn remote_table(&self, expression: &Ast) -> Bound<Table> {
        let root = root_of(expression);
        let is_kusto = matches!(&root.kind, ExprKind::Call { name, .. } if matches!(name.text.as_str(), "cluster"));
        if self.checking && is_kusto {
            return Ok(never_run(vec![ColumnInfo::open()]));
        }
        Err(not_executed(expression.span.clone(), "a table of another cluster, database or workspace")
            .with_hint("store its rows in the workspace and name that table"))
    }

    /// A constant text or number, for options.
    pub(super) fn constant(&self, expression: &Ast, scope: &Scope) -> Bound<value::Value> {
        let bound = self.scalar(expression, &scope.without_rows())?;
        match bound.constant {
            Some(constant) => Ok(constant),
            None if self.checking => Ok(Cell::Null),
            None => Err(Diagnostic::new(codes::VALUE, expression.span.clone(), "a constant is needed here")),
        }
    }
}

fn root_of(expression: &Ast) -> &Ast {
    let mut at = expression;
    while let ExprKind::Member { base, .. } | ExprKind::Method { base, .. } = &at.kind {
        at = base;
    }
    at
}

/// A table of which only the columns matter.
pub(super) fn never_run(columns: Vec<ColumnInfo>) -> Table {
    Table::new(polars::prelude::DataFrame::empty().lazy(), columns)
}

fn literal_of(constant: &value::Value, kql_type: crate::ast::KqlType) -> Literal {
    match (lexer::null_of(kql_type), constant) {
        (Literal::Bool(_), Cell::Bool(value)) => Literal::Bool(Some(*value)),
        (Literal::Int(_), Cell::Long(value)) => Literal::Int(i32::try_from(*value).ok()),
        (Literal::Long(_), Cell::Long(value)) => Literal::Long(Some(*value)),
        (Literal::Real(_), value) => Literal::Real(value.real()),
        (Literal::String(_), value) => Literal::String(value.text().to_string()),
        (Literal::Datetime(_), Cell::Long(value)) => Literal::Datetime(Some(*value)),
        (Literal::Timespan(_), Cell::Long(value)) => Literal::Timespan(Some(*value)),
        (Literal::Guid(_), Cell::Str(value)) => Literal::Guid(Some(value.to_string())),
        (Literal::Dynamic(_), value) => Literal::Dynamic(crate::functions::dynamic::json(value)),
        (null, _) => null,
    }
}
