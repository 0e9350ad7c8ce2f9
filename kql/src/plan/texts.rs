//! Text columns of files that stand for values of another type.

use polars::prelude::*;

use crate::{
    ast::KqlType,
    functions::conversion,
    rows::{self, named, physical},
    value::{Cell, Value},
};

/// A text column read as another type. Empty text is null; text that is no such value fails the query, so that
/// a slip in a file is never a silent null.
pub(super) fn read_as(table: &str, column: &str, kql_type: KqlType) -> Expr {
    let (table, name) = (table.to_string(), column.to_string());
    let read = conversion::converter(KqlType::String, kql_type);
    let run = move |texts: Column| -> PolarsResult<Column> {
        let series = texts.as_materialized_series();
        let mut cells: Vec<Value> = Vec::with_capacity(series.len());
        for text in series.str()?.iter() {
            let text = text.unwrap_or_default().trim();
            let cell = if text.is_empty() { Cell::Null } else { read(&[Cell::Str(text.into())]) };
            if cell.is_null() && !text.is_empty() {
                let shown: String = text.chars().take(40).collect();
                polars_bail!(ComputeError: "the column `{name}` of `{table}` holds `{shown}`, which is no {kql_type}");
            }
            cells.push(cell);
        }
        Ok(rows::build(series.name().clone(), kql_type, cells.into_iter()).into_column())
    };
    let field = move |_: &Schema, field: &Field| Ok(Field::new(field.name().clone(), physical(kql_type)));
    named(column).map(run, field)
}
