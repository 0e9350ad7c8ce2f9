//! Rows into a custom table of the local workspace.

use huntbook_azure::custom_table::{TIME_GENERATED, TYPE};
use huntbook_kql::KqlType;
use huntbook_workspace::{ColumnSchema, ColumnType};
use polars::prelude::*;

use crate::frames::{Tags, column_names};
use crate::{Engine, Error, Result};

impl Engine {
    /// Appends rows to a table of the local workspace by the service's rules and reports what was accepted:
    /// `TimeGenerated` is added when the frame has none, `Type` repeats the table's name.
    pub(super) fn append_locally(&self, frame: &DataFrame, tags: &Tags, full_name: &str) -> Result<String> {
        let rows = service_columns(frame, full_name)?;
        let appended = match self.typed_columns(&rows, tags, full_name)? {
            Some(columns) => self.workspace().append_typed(full_name, rows, columns)?,
            None => self.workspace().append(full_name, rows)?,
        };
        let schema = match (appended.created, appended.new_columns.is_empty()) {
            (true, _) => format!(" (table created with {} columns)", appended.new_columns.len()),
            (false, true) => String::new(),
            (false, false) => format!(" (new columns: {})", appended.new_columns.join(", ")),
        };
        Ok(format!("{} rows accepted into {}{schema}", appended.rows, appended.table))
    }

    /// The columns' types where some of them are more than polars knows; a table that has text there keeps text.
    fn typed_columns(&self, rows: &DataFrame, tags: &Tags, table: &str) -> Result<Option<Vec<ColumnSchema>>> {
        if tags.is_empty() {
            return Ok(None);
        }
        let known = self.workspace().schema(table)?;
        let has_text = |name: &str| {
            let column = known.as_ref().and_then(|schema| schema.column(name));
            column.is_some_and(|column| column.column_type == ColumnType::String)
        };
        let types = self.kql_types(rows, tags);
        let column = |(name, kind): (&str, KqlType)| {
            let kind = match column_type(kind)? {
                ColumnType::Dynamic | ColumnType::Guid if has_text(name) => ColumnType::String,
                kind => kind,
            };
            Some(ColumnSchema { name: name.to_owned(), column_type: kind })
        };
        // A type that a table cannot hold is the workspace's error.
        Ok(column_names(rows).zip(types).map(column).collect())
    }
}

fn column_type(kind: KqlType) -> Option<ColumnType> {
    Some(match kind {
        KqlType::Bool => ColumnType::Bool,
        KqlType::Int => ColumnType::Int,
        KqlType::Long => ColumnType::Long,
        KqlType::Real => ColumnType::Real,
        KqlType::String => ColumnType::String,
        KqlType::Datetime => ColumnType::Datetime,
        KqlType::Timespan => ColumnType::Timespan,
        KqlType::Dynamic => ColumnType::Dynamic,
        KqlType::Guid => ColumnType::Guid,
        KqlType::Decimal => return None,
    })
}

/// The collector takes no column of the name TimeGenerated; this one is named as the time of the rows.
pub(super) const RENAMED_TIME: &str = "time_generated";

/// The rows with a `TimeGenerated`: their own, or now.
///
/// Errors: a `TimeGenerated` that is no datetime.
pub(super) fn with_time(frame: &DataFrame) -> Result<DataFrame> {
    match frame.column(TIME_GENERATED) {
        Ok(column) if column.dtype().is_datetime() => Ok(frame.clone()),
        Ok(column) => Err(no_time(column)),
        Err(_) => Ok(with_row_marker(frame).select([now()?, all().as_expr()]).collect()?.drop("$rows")?),
    }
}

pub(super) fn with_time_renamed(mut frame: DataFrame) -> Result<DataFrame> {
    frame.rename(TIME_GENERATED, RENAMED_TIME.into())?;
    Ok(frame)
}

fn service_columns(frame: &DataFrame, table: &str) -> Result<DataFrame> {
    let nanoseconds = DataType::Datetime(TimeUnit::Nanoseconds, None);
    let time = match frame.column(TIME_GENERATED) {
        Ok(column) if column.dtype().is_datetime() => col(TIME_GENERATED).strict_cast(nanoseconds),
        Ok(column) => return Err(no_time(column)),
        Err(_) => now()?,
    };
    let others = frame
        .get_column_names()
        .into_iter()
        .filter(|name| name.as_str() != TIME_GENERATED)
        .map(|name| col(name.clone()));
    let columns: Vec<Expr> = std::iter::once(time).chain(others).chain([lit(table.to_owned()).alias(TYPE)]).collect();
    Ok(with_row_marker(frame).select(columns).collect()?)
}

/// An empty frame makes a table without rows: with only literals polars would make one row of nothing.
fn with_row_marker(frame: &DataFrame) -> LazyFrame {
    frame.clone().lazy().with_columns([lit(0).alias("$rows")])
}

fn now() -> Result<Expr> {
    let now = chrono::Utc::now()
        .timestamp_nanos_opt()
        .ok_or_else(|| Error::new("LaWriteError", "the clock is beyond 2262"))?;
    Ok(lit(now).cast(DataType::Datetime(TimeUnit::Nanoseconds, None)).alias(TIME_GENERATED))
}

fn no_time(column: &Column) -> Error {
    let message = format!(
        "`{TIME_GENERATED}` is {}, the service needs a datetime: `extend {TIME_GENERATED} = todatetime({TIME_GENERATED})` first",
        column.dtype()
    );
    Error::new("LaWriteError", message)
}
