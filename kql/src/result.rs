//! From physical columns to what the caller gets.

use polars::prelude::*;

use crate::rows::{self, named};

use crate::{
    QueryError,
    ast::KqlType,
    decimal::Decimal,
    plan::{ColumnInfo, Table},
    ticks::UNIX_EPOCH,
};

/// A column of the result, with the type KQL gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name
    pub name: String,
    /// Its KQL type: tells `dynamic` and `guid` from plain text
    pub kql_type: KqlType,
}

/// What `render` asked for; the rows are unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Render {
    /// `timechart`, `piechart`, ...
    pub kind: String,
    /// `title`, `xcolumn`, `ycolumns`, ...; lists are joined with `, `
    pub properties: Vec<(String, String)>,
}

/// Groups of rows from files come in any order, another one each time. Up to so many are sorted, so that a
/// query run twice prints one result.
const ORDERED_ROWS: usize = 50_000;

/// Runs the plan and gives datetimes and timespans their polars types.
pub(crate) fn collect(table: Table, streams: bool) -> Result<(DataFrame, Vec<Column>), QueryError> {
    let table = table.canonical();
    let wanted: Vec<Expr> = table.columns.iter().map(|column| named(column.name.as_str())).collect();
    let failed = |error: PolarsError| QueryError::Execution(error.to_string());
    let mut frame = rows::collect(table.frame.select(wanted), streams).map_err(failed)?;
    if table.any_order && frame.height() <= ORDERED_ROWS {
        let names: Vec<PlSmallStr> = frame.get_column_names_owned();
        frame = frame.sort(names, SortMultipleOptions::default()).map_err(failed)?;
    }
    delivered_rows(frame, &table.columns)
}

/// Rows in physical form as the caller gets them.
pub(crate) fn delivered_rows(frame: DataFrame, infos: &[ColumnInfo]) -> Result<(DataFrame, Vec<Column>), QueryError> {
    let schema = infos.iter().map(|column| Column { name: column.name.clone(), kql_type: column.kql_type }).collect();
    let height = frame.height();
    let columns = frame
        .into_columns()
        .into_iter()
        .zip(infos)
        .map(|(column, info)| delivered(column, info))
        .collect::<Result<Vec<_>, _>>()?;
    let frame = DataFrame::new(height, columns).map_err(|error| QueryError::Execution(error.to_string()))?;
    Ok((frame, schema))
}

fn delivered(column: polars::prelude::Column, info: &ColumnInfo) -> Result<polars::prelude::Column, QueryError> {
    let convert = |error: PolarsError| QueryError::Execution(error.to_string());
    match info.kql_type {
        KqlType::Datetime | KqlType::Timespan => {
            let series = column.as_materialized_series();
            let ticks = series.i64().map_err(convert)?;
            let origin = if info.kql_type == KqlType::Datetime { UNIX_EPOCH } else { 0 };
            let (values, unit) = scaled(ticks, origin).ok_or_else(|| out_of_range(info))?;
            let dtype = if info.kql_type == KqlType::Datetime {
                DataType::Datetime(unit, None)
            } else {
                DataType::Duration(unit)
            };
            Ok(values.into_series().cast(&dtype).map_err(convert)?.into_column())
        }
        KqlType::Decimal => with_one_scale(&column).ok_or_else(|| {
            QueryError::Execution(format!(
                "the decimals of the column `{}` need more than 38 digits together, which polars cannot hold; round() them",
                info.name
            ))
        }),
        _ => Ok(column),
    }
}

/// Polars keeps one number of digits behind the point per column: the most that any value has.
fn with_one_scale(column: &polars::prelude::Column) -> Option<polars::prelude::Column> {
    let series = column.as_materialized_series();
    let values: Vec<Option<Decimal>> = series.str().ok()?.iter().map(|text| text.and_then(Decimal::parse)).collect();
    let scale = values.iter().flatten().map(|value| value.scale()).max().unwrap_or(0);
    let limit = 10u128.pow(38);
    let fits = |value: &Decimal| value.mantissa_at(scale).is_some_and(|mantissa| mantissa.unsigned_abs() < limit);
    if !values.iter().flatten().all(fits) {
        return None;
    }
    column.strict_cast(&DataType::Decimal(38, scale as usize)).ok()
}

/// Microseconds hold every year but lose the last digit of a tick; nanoseconds hold the digit
/// but only the years 1677 to 2262. Whichever is lossless for this column is used.
fn scaled(ticks: &Int64Chunked, origin: i64) -> Option<(Int64Chunked, TimeUnit)> {
    let whole = ticks.downcast_iter().all(|chunk| chunk.iter().flatten().all(|value| value % 10 == 0));
    // `apply_values` also sees what lies below nulls, which may be anything.
    if whole {
        return Some((ticks.apply_values(|value| value.wrapping_sub(origin) / 10), TimeUnit::Microseconds));
    }
    let nanoseconds = |value: i64| value.checked_sub(origin).and_then(|value| value.checked_mul(100));
    if !ticks.iter().flatten().all(|value| nanoseconds(value).is_some()) {
        return None;
    }
    Some((ticks.apply_values(|value| value.wrapping_sub(origin).wrapping_mul(100)), TimeUnit::Nanoseconds))
}

fn out_of_range(info: &ColumnInfo) -> QueryError {
    QueryError::Execution(format!(
        "the column `{}` holds values with 100 ns digits outside the years 1677 to 2262, which polars cannot hold; bin() it to 1microsecond",
        info.name
    ))
}
