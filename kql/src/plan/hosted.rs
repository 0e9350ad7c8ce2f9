//! What the host supplies besides tables: tabular functions such as `_GetWatchlist`, and tables
//! named by a computed text.

use polars::prelude::IntoLazy;

use super::{Binder, Bound, ColumnInfo, Table, calls, lets::Scope, not_executed, texts};
use crate::{
    TableFunction,
    ast::{Argument, Expr as Ast, ExprKind, Literal, Name},
    diagnostics::{Diagnostic, codes},
    lexer,
    rows::named,
    value::{self, Cell},
};

impl Binder<'_> {
    /// Only while checking: a table by its declared columns. Nothing is opened.
    pub(super) fn declared_table(&self, name: &str) -> Option<Table> {
        let declared = self.catalog.schema(name)?;
        let columns = declared.iter().map(|column| ColumnInfo::new(column.name.as_str(), column.kql_type)).collect();
        Some(Table { name: Some(name.to_string()), ..never_run(columns) })
    }

    /// A call of a tabular function that the host runs itself.
    pub(super) fn hosted_call(&self, name: &Name, arguments: &[Argument], scope: &Scope) -> Bound<Option<Table>> {
        let Some(function) = self.catalog.table_function(&name.text) else { return Ok(None) };
        if function.takes_rows {
            let message = format!("`{}` takes the rows in front of it", name.text);
            return Err(Diagnostic::new(codes::SYNTAX, name.span.clone(), message)
                .with_hint(format!("write `Table | invoke {}(...)`", name.text)));
        }
        let literals = self.hosted_arguments(name, &function, arguments, &scope.without_rows())?;
        if self.checking && !(function.columns.is_empty() && literals.len() == arguments.len()) {
            let mut columns: Vec<ColumnInfo> = declared_columns(&function).collect();
            if columns.is_empty() {
                columns.push(ColumnInfo::open());
            }
            return Ok(Some(Table { name: Some(name.text.clone()), ..never_run(columns) }));
        }
        match self.catalog.call_table_function(&name.text, &literals) {
            Ok(frame) => self.host_frame(frame, &function.columns, &name.span).map(Some),
            Err(problem) => Err(no_table(name, &problem)),
        }
    }

    /// `T | invoke name(...)` for a function that the host runs itself.
    pub(super) fn hosted_invoke(
        &self,
        table: Table,
        name: &Name,
        arguments: &[Argument],
        scope: &Scope,
    ) -> Bound<Table> {
        let Some(function) = self.catalog.table_function(&name.text).filter(|function| function.takes_rows) else {
            let functions = self.catalog.function_names();
            let message = format!("unknown tabular function `{}`", name.text);
            return Err(Diagnostic::new(codes::UNKNOWN_FUNCTION, name.span.clone(), message)
                .with_nearest(&name.text, functions.iter().map(String::as_str)));
        };
        let literals = self.hosted_arguments(name, &function, arguments, &scope.with_rows(&table.columns))?;
        if self.checking {
            let mut columns = table.columns.clone();
            for column in declared_columns(&function) {
                if table.column(&column.name).is_none() {
                    columns.push(column);
                }
            }
            return Ok(never_run(columns));
        }
        let table = table.canonical();
        let wanted: Vec<_> = table.columns.iter().map(|column| named(&column.name)).collect();
        let frame = self.collected(table.frame.clone().select(wanted), &name.span)?;
        let (rows, mut declared) = crate::result::delivered_rows(frame, &table.columns)
            .map_err(|problem| no_table(name, &problem.to_string()))?;
        declared.extend(function.columns.iter().cloned());
        match self.catalog.invoke_table_function(&name.text, rows, &literals) {
            Ok(frame) => self.host_frame(frame, &declared, &name.span),
            Err(problem) => Err(no_table(name, &problem)),
        }
    }

    /// Constants for the parameters of a host function; fewer while checking, where a value may be unknown.
    fn hosted_arguments(
        &self,
        name: &Name,
        function: &TableFunction,
        arguments: &[Argument],
        scope: &Scope,
    ) -> Bound<Vec<(String, Literal)>> {
        let mut literals = Vec::with_capacity(arguments.len());
        for (at, argument) in arguments.iter().enumerate() {
            let wanted = match &argument.name {
                Some(given) => function.parameters.iter().find(|parameter| parameter.name == given.text),
                None => function.parameters.get(at),
            };
            let Some(wanted) = wanted else {
                let known: Vec<&str> = function.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
                let message = format!("`{}` has no such parameter", name.text);
                return Err(Diagnostic::new(codes::ARGUMENTS, argument.value.span.clone(), message).with_hint(
                    format!("it has: {}", if known.is_empty() { "none".into() } else { known.join(", ") }),
                ));
            };
            // `invoke FileProfile(SHA1)`: a column stands for its name.
            if let ExprKind::Name(column) = &argument.value.kind
                && scope.column(column).is_some()
                && wanted.kql_type == crate::ast::KqlType::String
            {
                literals.push((wanted.name.clone(), Literal::String(column.clone())));
                continue;
            }
            let bound = self.scalar(&argument.value, &scope.without_rows())?;
            match bound.converted(wanted.kql_type).constant {
                Some(constant) => literals.push((wanted.name.clone(), literal_of(&constant, wanted.kql_type))),
                None if self.checking => {}
                None => {
                    let message = format!("the arguments of `{}` must be constants", name.text);
                    return Err(Diagnostic::new(codes::VALUE, argument.value.span.clone(), message));
                }
            }
        }
        Ok(literals)
    }

    /// Text columns that the catalog declares to be of another type, read as that type.
    pub(super) fn texts_read(&self, table: Table, name: &str) -> Bound<Table> {
        let mut columns = table.columns.clone();
        let mut read = Vec::new();
        for column in &mut columns {
            let declared = self.catalog.column_type(name, &column.name);
            let is_text = column.scanned == Some(polars::prelude::DataType::String);
            if let Some(kql_type) = declared.filter(|kql_type| is_text && *kql_type != column.kql_type) {
                read.push(texts::read_as(name, &column.name, kql_type));
                *column = ColumnInfo::new(&column.name, kql_type);
            }
        }
        if read.is_empty() {
            return Ok(table);
        }
        Ok(Table { frame: table.frame.clone().with_columns(read), columns, ..table })
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

fn declared_columns(function: &TableFunction) -> impl Iterator<Item = ColumnInfo> + '_ {
    function.columns.iter().map(|column| ColumnInfo::new(&column.name, column.kql_type))
}

fn no_table(name: &Name, problem: &str) -> Diagnostic {
    let message = format!("`{}` gives no table: {problem}", name.text);
    Diagnostic::new(codes::UNREADABLE_TABLE, name.span.clone(), message)
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
