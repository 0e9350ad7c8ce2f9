//! Polars columns as what charts are drawn of.

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use huntbook_plots::{ChartData, Column as ChartColumn, Values};
use polars::prelude::*;
use serde_json::Value;

use crate::{Error, Result};

/// Rows that `make-series` and the like may expand to.
const MOST_EXPANDED: usize = 5_000_000;

/// The frame's columns. Columns of JSON arrays, as `make-series` gives them, become a row for each element.
pub(super) fn chart_data(frame: &DataFrame, types: Option<&[String]>) -> Result<ChartData> {
    let may_be_dynamic = |at: usize| types.is_none_or(|types| types.get(at).is_some_and(|name| name == "dynamic"));
    let arrays: Vec<Option<Vec<Vec<Value>>>> = frame
        .columns()
        .iter()
        .enumerate()
        .map(|(at, column)| if may_be_dynamic(at) { arrays_of(column) } else { None })
        .collect();
    let lengths = lengths(&arrays, frame.height())?;
    let columns = frame.columns().iter().zip(&arrays).map(|(column, arrays)| {
        let values = match (arrays, &lengths) {
            (Some(arrays), Some(lengths)) => elements(arrays, lengths),
            (None, Some(lengths)) => repeated(values_of(column)?, lengths),
            _ => values_of(column)?,
        };
        Ok(ChartColumn { name: column.name().to_string(), values })
    });
    Ok(ChartData::new(columns.collect::<Result<Vec<_>>>()?)?)
}

fn values_of(column: &Column) -> Result<Values> {
    Ok(match column.dtype() {
        DataType::Datetime(_, _) | DataType::Date => {
            let moments = column.cast(&DataType::Datetime(TimeUnit::Microseconds, None))?.cast(&DataType::Int64)?;
            Values::Times(moments.i64()?.iter().collect())
        }
        // Timespans are numbers of seconds.
        DataType::Duration(_) => {
            let spans = column.cast(&DataType::Duration(TimeUnit::Microseconds))?.cast(&DataType::Int64)?;
            Values::Numbers(spans.i64()?.iter().map(|span| span.map_or(f64::NAN, |span| span as f64 / 1e6)).collect())
        }
        data_type if data_type.is_primitive_numeric() || data_type.is_decimal() => {
            let numbers = column.cast(&DataType::Float64)?;
            Values::Numbers(numbers.f64()?.iter().map(|value| value.unwrap_or(f64::NAN)).collect())
        }
        DataType::String => {
            Values::Texts(column.str()?.iter().map(|value| value.unwrap_or("(null)").to_owned()).collect())
        }
        _ => {
            let shown = |row: usize| match column.get(row) {
                Ok(AnyValue::Null) | Err(_) => "(null)".to_owned(),
                Ok(value) => value.to_string(),
            };
            Values::Texts((0..column.len()).map(shown).collect())
        }
    })
}

/// The arrays of a column of JSON text, if every cell is one or missing, and there is one.
fn arrays_of(column: &Column) -> Option<Vec<Vec<Value>>> {
    let cells = column.str().ok()?;
    let filled = || cells.iter().flatten().filter(|cell| !cell.is_empty());
    // Most text is no array: its first letter says so.
    if filled().next().is_none() || !filled().all(|cell| cell.starts_with('[')) {
        return None;
    }
    let array = |cell: Option<&str>| match cell.filter(|cell| !cell.is_empty()) {
        None => Some(Vec::new()),
        Some(cell) => serde_json::from_str::<Vec<Value>>(cell).ok(),
    };
    cells.iter().map(array).collect()
}

/// How many rows each row becomes; `None` without arrays.
fn lengths(arrays: &[Option<Vec<Vec<Value>>>], rows: usize) -> Result<Option<Vec<usize>>> {
    if arrays.iter().all(Option::is_none) {
        return Ok(None);
    }
    let longest = |row: usize| arrays.iter().flatten().map(|arrays| arrays[row].len()).max().unwrap_or(0);
    let lengths: Vec<usize> = (0..rows).map(longest).collect();
    let all: usize = lengths.iter().sum();
    if all > MOST_EXPANDED {
        return Err(Error::new(
            "PlotError",
            format!("the arrays have {all} elements, of which a chart takes {MOST_EXPANDED}: use longer steps"),
        ));
    }
    Ok(Some(lengths))
}

fn repeated(values: Values, lengths: &[usize]) -> Values {
    fn each<T: Clone>(values: &[T], lengths: &[usize]) -> Vec<T> {
        values.iter().zip(lengths).flat_map(|(value, length)| std::iter::repeat_n(value.clone(), *length)).collect()
    }
    match values {
        Values::Numbers(values) => Values::Numbers(each(&values, lengths)),
        Values::Times(values) => Values::Times(each(&values, lengths)),
        Values::Texts(values) => Values::Texts(each(&values, lengths)),
    }
}

/// The elements one below the other; shorter arrays are filled up with nothing.
fn elements(arrays: &[Vec<Value>], lengths: &[usize]) -> Values {
    let all: Vec<&Value> = arrays
        .iter()
        .zip(lengths)
        .flat_map(|(array, length)| array.iter().chain(std::iter::repeat(&Value::Null)).take(*length))
        .collect();
    let known = || all.iter().filter(|value| !value.is_null());
    if known().all(|value| number(value).is_some()) {
        return Values::Numbers(all.iter().map(|value| number(value).unwrap_or(f64::NAN)).collect());
    }
    if known().all(|value| value.as_str().is_some_and(|text| moment(text).is_some())) {
        return Values::Times(all.iter().map(|value| moment(value.as_str()?)).collect());
    }
    let text = |value: &&Value| match value {
        Value::Null => "(null)".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Values::Texts(all.iter().map(text).collect())
}

/// Numbers, conditions, and the texts that JSON has for what is no finite number.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(value) => Some(f64::from(u8::from(*value))),
        Value::String(text) if matches!(text.as_str(), "NaN" | "Infinity" | "-Infinity") => text.parse().ok(),
        other => other.as_f64(),
    }
}

/// A moment as people and Kusto write it, in microseconds since 1970 (UTC, where no zone is given).
pub(super) fn moment(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_micros());
    }
    let plain = text.trim_end_matches('Z').replace('T', " ");
    let formats = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"];
    let time = formats.iter().find_map(|format| NaiveDateTime::parse_from_str(&plain, format).ok());
    let time = time.or_else(|| NaiveDate::parse_from_str(&plain, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0));
    time.map(|time| time.and_utc().timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_of_make_series_become_rows() {
        let frame = df!(
            "Account" => ["anna", "ben"],
            "TimeGenerated" => [r#"["2026-11-02T00:00:00.0000000Z","2026-11-02T01:00:00.0000000Z"]"#, r#"["2026-11-02T00:00:00Z"]"#],
            "n" => ["[1,2.5]", "[null,7]"],
        )
        .unwrap();
        let types = ["string".to_owned(), "dynamic".to_owned(), "dynamic".to_owned()];
        let data = chart_data(&frame, Some(&types)).unwrap();
        assert_eq!(data.rows(), 4);
        let values = |at: usize| &data.columns()[at].values;
        assert_eq!(*values(0), Values::Texts(["anna", "anna", "ben", "ben"].map(str::to_owned).into()));
        let start = 1_793_577_600_000_000;
        assert_eq!(*values(1), Values::Times(vec![Some(start), Some(start + 3_600_000_000), Some(start), None]));
        let Values::Numbers(n) = values(2) else { panic!("{:?}", values(2)) };
        assert!(n[0] == 1.0 && n[1] == 2.5 && n[2].is_nan() && n[3] == 7.0, "{n:?}");
    }

    #[test]
    fn text_that_looks_like_an_array_stays_text() {
        let frame = df!("s" => ["[1]", "[not json"], "t" => ["[1]", "x"]).unwrap();
        let data = chart_data(&frame, None).unwrap();
        assert_eq!(data.rows(), 2);
        assert!(matches!(data.columns()[0].values, Values::Texts(_)));
        let strings = ["string".to_owned(), "string".to_owned()];
        let frame = df!("s" => ["[1,2]"], "t" => ["x"]).unwrap();
        assert_eq!(chart_data(&frame, Some(&strings)).unwrap().rows(), 1);
    }

    #[test]
    fn times_spans_and_conditions_have_values() {
        let frame = df!("b" => [Some(true), None], "n" => [1i32, 2]).unwrap();
        let frame = frame
            .lazy()
            .with_columns([
                lit(3_000_000i64).cast(DataType::Duration(TimeUnit::Microseconds)).alias("span"),
                lit(5_000i64).cast(DataType::Datetime(TimeUnit::Milliseconds, None)).alias("at"),
            ])
            .collect()
            .unwrap();
        let data = chart_data(&frame, None).unwrap();
        assert_eq!(data.columns()[0].values, Values::Texts(vec!["true".into(), "(null)".into()]));
        assert_eq!(data.columns()[2].values, Values::Numbers(vec![3.0, 3.0]));
        assert_eq!(data.columns()[3].values, Values::Times(vec![Some(5_000_000); 2]));
    }

    #[test]
    fn moments_are_read_as_people_write_them() {
        let midnight = 1_793_577_600_000_000;
        for text in ["2026-11-02", "2026-11-02 00:00", "2026-11-02T00:00:00Z", "2026-11-02T01:00:00+01:00"] {
            assert_eq!(moment(text), Some(midnight), "{text}");
        }
        assert_eq!(moment("soon"), None);
    }
}
