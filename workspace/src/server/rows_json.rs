//! Rows of a result as JSON, as the services encode them.

use polars::prelude::*;

use super::clock::{push_datetime, push_timespan};
use super::service::ResultTable;

/// How `dynamic` values are written: Log Analytics gives JSON text, Kusto's v2 the JSON itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dynamics {
    Text,
    Native,
}

/// What a result may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) rows: usize,
    pub(crate) bytes: usize,
}

/// The bound that cut a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    Rows(usize),
    Bytes(usize),
}

/// Appends `[..],[..]`, the rows without the brackets around them, up to the bounds. The count of rows written, and
/// the bound that cut them.
pub(crate) fn push_rows(
    out: &mut Vec<u8>,
    table: &ResultTable,
    dynamics: Dynamics,
    bounds: Bounds,
) -> PolarsResult<(usize, Option<Cut>)> {
    let series: Vec<Series> =
        table.frame.columns().iter().map(|column| column.as_materialized_series().rechunk()).collect();
    let kinds = table.columns.iter().map(|column| column.kql_type.as_str());
    let cells = series
        .iter()
        .zip(kinds)
        .map(|(series, kind)| Cells::of(series, kind, dynamics))
        .collect::<PolarsResult<Vec<_>>>()?;
    let start = out.len();
    for row in 0..table.frame.height() {
        if row == bounds.rows {
            return Ok((row, Some(Cut::Rows(bounds.rows))));
        }
        let before = out.len();
        if row > 0 {
            out.push(b',');
        }
        out.push(b'[');
        for (at, column) in cells.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            column.push(out, row)?;
        }
        out.push(b']');
        if out.len() - start > bounds.bytes {
            out.truncate(before);
            return Ok((row, Some(Cut::Bytes(bounds.bytes))));
        }
    }
    Ok((table.frame.height(), None))
}

enum Cells<'a> {
    Bool(&'a BooleanChunked),
    Int(&'a Int32Chunked),
    Long(&'a Int64Chunked),
    Real(&'a Float64Chunked),
    Text(&'a StringChunked),
    Json(&'a StringChunked),
    /// Ticks by this factor, or divided by its negative
    Datetime(&'a Int64Chunked, i64),
    Timespan(&'a Int64Chunked, i64),
    /// What prints as it should: decimals
    Printed(&'a Series),
}

impl<'a> Cells<'a> {
    fn of(series: &'a Series, kind: &str, dynamics: Dynamics) -> PolarsResult<Cells<'a>> {
        Ok(match series.dtype() {
            DataType::Boolean => Cells::Bool(series.bool()?),
            DataType::Int32 => Cells::Int(series.i32()?),
            DataType::Int64 => Cells::Long(series.i64()?),
            DataType::Float64 => Cells::Real(series.f64()?),
            DataType::String if kind == "dynamic" && dynamics == Dynamics::Native => Cells::Json(series.str()?),
            DataType::String => Cells::Text(series.str()?),
            DataType::Datetime(unit, _) => Cells::Datetime(series.datetime()?.physical(), factor(*unit)),
            DataType::Duration(unit) => Cells::Timespan(series.duration()?.physical(), factor(*unit)),
            _ => Cells::Printed(series),
        })
    }

    fn push(&self, out: &mut Vec<u8>, row: usize) -> PolarsResult<()> {
        let pushed = match self {
            Cells::Bool(cells) => push_json(out, cells.get(row)),
            Cells::Int(cells) => push_json(out, cells.get(row)),
            Cells::Long(cells) => push_json(out, cells.get(row)),
            Cells::Real(cells) => push_real(out, cells.get(row)),
            Cells::Text(cells) => push_json(out, cells.get(row)),
            Cells::Json(cells) => push_dynamic(out, cells.get(row)),
            Cells::Datetime(cells, factor) => push_quoted(out, cells.get(row), *factor, push_datetime),
            Cells::Timespan(cells, factor) => push_quoted(out, cells.get(row), *factor, push_timespan),
            Cells::Printed(series) => match series.get(row)? {
                AnyValue::Null => push_json(out, None::<bool>),
                value => push_json(out, Some(value.to_string())),
            },
        };
        pushed.map_err(|error| PolarsError::ComputeError(error.to_string().into()))
    }
}

fn factor(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Nanoseconds => -100,
        TimeUnit::Microseconds => 10,
        TimeUnit::Milliseconds => 10_000,
    }
}

fn push_json(out: &mut Vec<u8>, value: Option<impl serde::Serialize>) -> serde_json::Result<()> {
    serde_json::to_writer(out, &value)
}

/// JSON has no number for these.
fn push_real(out: &mut Vec<u8>, value: Option<f64>) -> serde_json::Result<()> {
    match value {
        Some(value) if value.is_nan() => out.extend_from_slice(b"\"NaN\""),
        Some(f64::INFINITY) => out.extend_from_slice(b"\"Infinity\""),
        Some(f64::NEG_INFINITY) => out.extend_from_slice(b"\"-Infinity\""),
        other => return push_json(out, other),
    }
    Ok(())
}

fn push_dynamic(out: &mut Vec<u8>, value: Option<&str>) -> serde_json::Result<()> {
    match value {
        // Tables hold JSON in dynamic columns; text that is none stays text and breaks nothing.
        Some(text) if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() => {
            out.extend_from_slice(text.as_bytes());
            Ok(())
        }
        other => push_json(out, other),
    }
}

fn push_quoted(
    out: &mut Vec<u8>,
    value: Option<i64>,
    factor: i64,
    push: fn(&mut Vec<u8>, i64),
) -> serde_json::Result<()> {
    let Some(value) = value else { return push_json(out, None::<bool>) };
    let ticks = if factor < 0 { value.div_euclid(-factor) } else { value.saturating_mul(factor) };
    out.push(b'"');
    push(out, ticks);
    out.push(b'"');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::service::ResultColumn;
    use super::*;

    fn table() -> ResultTable {
        let time = Series::new("t".into(), [Some(1_700_000_000_123_456_700i64), None])
            .cast(&DataType::Datetime(TimeUnit::Nanoseconds, None))
            .unwrap();
        let mut frame = df!(
            "n" => [Some(9_007_199_254_740_993i64), None],
            "x" => [f64::NAN, f64::NEG_INFINITY],
            "d" => [Some("{\"a\":[1]}"), None],
            "s" => ["\"\u{1}é", ""],
        )
        .unwrap();
        frame.with_column(time.into()).unwrap();
        let kinds = [("n", "long"), ("x", "real"), ("d", "dynamic"), ("s", "string"), ("t", "datetime")];
        let columns =
            kinds.map(|(name, kind)| ResultColumn { name: name.to_owned(), kql_type: kind.to_owned() }).into();
        ResultTable { columns, frame }
    }

    fn rows(dynamics: Dynamics, bounds: Bounds) -> (String, usize, Option<Cut>) {
        let mut out = Vec::new();
        let (count, cut) = push_rows(&mut out, &table(), dynamics, bounds).unwrap();
        (String::from_utf8(out).unwrap(), count, cut)
    }

    #[test]
    fn cells_are_exact() {
        let all = Bounds { rows: 9, bytes: 9_999 };
        assert_eq!(
            rows(Dynamics::Native, all).0,
            "[9007199254740993,\"NaN\",{\"a\":[1]},\"\\\"\\u0001é\",\"2023-11-14T22:13:20.1234567Z\"],[null,\"-Infinity\",null,\"\",null]"
        );
        assert!(rows(Dynamics::Text, all).0.contains(r#""{\"a\":[1]}""#));
    }

    #[test]
    fn bounds_cut_whole_rows() {
        let (text, count, cut) = rows(Dynamics::Text, Bounds { rows: 1, bytes: 9_999 });
        assert!(text.ends_with("Z\"]"));
        assert_eq!((count, cut), (1, Some(Cut::Rows(1))));
        let (text, count, cut) = rows(Dynamics::Text, Bounds { rows: 9, bytes: 100 });
        assert!(text.ends_with("Z\"]"), "{text}");
        assert_eq!((count, cut), (1, Some(Cut::Bytes(100))));
    }
}
