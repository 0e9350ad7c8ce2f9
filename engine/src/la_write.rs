//! Rows into a custom table of the workspace.

use huntbook_azure::custom_table::{self, TIME_GENERATED, TYPE};
use polars::prelude::*;

use crate::{Engine, Error, Result};

impl Engine {
    /// Appends rows to `TABLE_CL` of the local workspace by the service's rules and reports what was accepted:
    /// `TimeGenerated` is added when the frame has none, `Type` repeats the table's name.
    pub fn la_write(&self, frame: &DataFrame, table: &str) -> Result<String> {
        let full_name = custom_table::full_name(table)?;
        custom_table::check_columns(frame.get_column_names().iter().map(|name| name.as_str()))?;
        if frame.width() == 0 {
            return Err(Error::new("LaWriteError", "the frame has no columns: there is nothing to write"));
        }
        let rows = service_columns(frame, &full_name)?;
        let appended = self.workspace.append(&full_name, rows)?;
        let schema = match (appended.created, appended.new_columns.is_empty()) {
            (true, _) => format!(" (table created with {} columns)", appended.new_columns.len()),
            (false, true) => String::new(),
            (false, false) => format!(" (new columns: {})", appended.new_columns.join(", ")),
        };
        Ok(format!("{} rows accepted into {}{schema}", appended.rows, appended.table))
    }
}

fn service_columns(frame: &DataFrame, table: &str) -> Result<DataFrame> {
    let nanoseconds = DataType::Datetime(TimeUnit::Nanoseconds, None);
    let time = match frame.column(TIME_GENERATED) {
        Ok(column) if column.dtype().is_datetime() => col(TIME_GENERATED).strict_cast(nanoseconds),
        Ok(column) => {
            let message = format!(
                "`{TIME_GENERATED}` is {}, the service needs a datetime: `extend {TIME_GENERATED} = todatetime({TIME_GENERATED})` first",
                column.dtype()
            );
            return Err(Error::new("LaWriteError", message));
        }
        Err(_) => {
            let now = chrono::Utc::now()
                .timestamp_nanos_opt()
                .ok_or_else(|| Error::new("LaWriteError", "the clock is beyond 2262"))?;
            lit(now).cast(nanoseconds).alias(TIME_GENERATED)
        }
    };
    let others = frame
        .get_column_names()
        .into_iter()
        .filter(|name| name.as_str() != TIME_GENERATED)
        .map(|name| col(name.clone()));
    let columns: Vec<Expr> = std::iter::once(time).chain(others).chain([lit(table.to_owned()).alias(TYPE)]).collect();
    // An empty frame makes a table without rows: with only literals polars would make one row of nothing.
    Ok(frame.clone().lazy().with_columns([lit(0).alias("$rows")]).select(columns).collect()?)
}
