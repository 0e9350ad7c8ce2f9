//! Rows as JSON objects for the ingestion services.
//!
//! | KQL type | JSON |
//! |---|---|
//! | bool, int, long | themselves, digit by digit |
//! | real | the shortest number that reads back as the same; NaN and infinities, which JSON lacks, are null and counted |
//! | decimal | text of its digits: a JSON number would pass through a binary one |
//! | string, guid | text |
//! | datetime | `2026-01-02T03:04:05.1234567Z` |
//! | timespan | `1.02:03:04.0000005` |
//! | dynamic | the JSON itself, as it stands |
//!
//! A null is left out: for the services it is the same.

use huntbook_kql::{KqlType, ticks};
use polars::prelude::*;

use crate::{Error, Result};

/// Rows ready to be written, one JSON object each.
pub(crate) struct Encoder<'f> {
    columns: Vec<(String, Cells<'f>)>,
    rows: usize,
    /// Reals that JSON cannot hold, per column
    pub(crate) lost_reals: Vec<(String, usize)>,
}

enum Cells<'f> {
    Bool(&'f BooleanChunked),
    Int(Int64Chunked),
    Real(Float64Chunked),
    Text(&'f StringChunked),
    Json(&'f StringChunked),
    Decimal(&'f Column),
    /// Ticks since 0001-01-01
    Datetime(Vec<Option<i64>>),
    Timespan(Vec<Option<i64>>),
}

impl<'f> Encoder<'f> {
    /// `types` are the KQL types of the columns, in order.
    ///
    /// Errors: a type that has no JSON, and text in a dynamic column that is no JSON; both name the column.
    pub(crate) fn new(frame: &'f DataFrame, types: &[KqlType]) -> Result<Encoder<'f>> {
        let mut lost_reals = Vec::new();
        let mut columns = Vec::with_capacity(frame.width());
        for (column, kind) in frame.columns().iter().zip(types) {
            let cells = cells(column, *kind)?;
            if let Cells::Real(values) = &cells {
                let lost = values.iter().flatten().filter(|value| !value.is_finite()).count();
                if lost > 0 {
                    lost_reals.push((column.name().to_string(), lost));
                }
            }
            columns.push((format!("{}:", json_text(column.name())), cells));
        }
        Ok(Encoder { columns, rows: frame.height(), lost_reals })
    }

    /// All rows, each as its JSON.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        (0..self.rows).map(|row| {
            let mut text = String::new();
            self.row(row, &mut text);
            text
        })
    }

    /// Appends one row to the text.
    fn row(&self, row: usize, out: &mut String) {
        out.push('{');
        let start = out.len();
        for (name, cells) in &self.columns {
            let before = out.len();
            if before > start {
                out.push(',');
            }
            out.push_str(name);
            if !cells.write(row, out) {
                out.truncate(before);
            }
        }
        out.push('}');
    }
}

impl Cells<'_> {
    /// `false` for null, for which nothing of use was written.
    fn write(&self, row: usize, out: &mut String) -> bool {
        use std::fmt::Write;
        // Writing to a String cannot fail.
        let written = match self {
            Cells::Bool(values) => values.get(row).map(|value| write!(out, "{value}")),
            Cells::Int(values) => values.get(row).map(|value| write!(out, "{value}")),
            Cells::Real(values) => values
                .get(row)
                .filter(|value| value.is_finite())
                .map(|value| write!(out, "{}", serde_json::json!(value))),
            Cells::Text(values) => values.get(row).map(|text| write!(out, "{}", json_text(text))),
            Cells::Json(values) => values.get(row).filter(|text| *text != "null").map(|text| write!(out, "{text}")),
            Cells::Datetime(values) => values[row].map(|value| write!(out, "\"{}\"", ticks::format_datetime(value))),
            Cells::Timespan(values) => values[row].map(|value| write!(out, "\"{}\"", ticks::format_timespan(value))),
            Cells::Decimal(column) => match column.get(row) {
                Ok(AnyValue::Null) | Err(_) => None,
                Ok(value) => Some(write!(out, "\"{value}\"")),
            },
        };
        written.is_some()
    }
}

fn cells(column: &Column, kind: KqlType) -> Result<Cells<'_>> {
    let name = column.name();
    Ok(match column.dtype() {
        DataType::Boolean => Cells::Bool(column.bool()?),
        DataType::String if kind == KqlType::Dynamic => {
            let texts = column.str()?;
            let is_json = |text: &&str| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
            if let Some(text) = texts.iter().flatten().find(|text| !is_json(text)) {
                let shown: String = text.chars().take(40).collect();
                return Err(wrong(format!("the column `{name}` is dynamic and takes JSON; `{shown}` is none")));
            }
            Cells::Json(texts)
        }
        DataType::String => Cells::Text(column.str()?),
        data_type if data_type.is_integer() => Cells::Int(column.strict_cast(&DataType::Int64)?.i64()?.clone()),
        data_type if data_type.is_float() => Cells::Real(column.cast(&DataType::Float64)?.f64()?.clone()),
        DataType::Decimal(_, _) => Cells::Decimal(column),
        DataType::Date => Cells::Datetime(in_ticks(
            &column.cast(&DataType::Datetime(TimeUnit::Microseconds, None))?,
            TimeUnit::Microseconds,
            ticks::UNIX_EPOCH,
        )?),
        DataType::Datetime(unit, _) => Cells::Datetime(in_ticks(column, *unit, ticks::UNIX_EPOCH)?),
        DataType::Duration(unit) => Cells::Timespan(in_ticks(column, *unit, 0)?),
        other => {
            return Err(wrong(format!(
                "the column `{name}` has type {other}, which has no JSON here: convert it to text or explode it first"
            )));
        }
    })
}

fn in_ticks(column: &Column, unit: TimeUnit, origin: i64) -> Result<Vec<Option<i64>>> {
    let physical = column.to_physical_repr();
    let convert = |value: i64| match unit {
        TimeUnit::Nanoseconds => Some(value.div_euclid(100) + origin),
        TimeUnit::Microseconds => value.checked_mul(10)?.checked_add(origin),
        TimeUnit::Milliseconds => value.checked_mul(10_000)?.checked_add(origin),
    };
    let in_range = |value: i64| convert(value).filter(|ticks| origin == 0 || ticks::in_range(*ticks).is_some());
    let values: Option<Vec<Option<i64>>> =
        physical.i64()?.iter().map(|value| value.map_or(Some(None), |value| in_range(value).map(Some))).collect();
    values.ok_or_else(|| wrong(format!("the column `{}` holds times outside the years 1 to 9999", column.name())))
}

fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn wrong(message: String) -> Error {
    Error::new("LaWriteError", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(query: &str) -> Vec<String> {
        let found = huntbook_kql::Engine::new(huntbook_kql::catalogs::Frames::new()).run(query);
        let found = found.unwrap_or_else(|error| panic!("{}", error.render(query)));
        let types: Vec<KqlType> = found.schema.iter().map(|column| column.kql_type).collect();
        let encoder = Encoder::new(&found.frame, &types).unwrap();
        encoder.lines().collect()
    }

    #[test]
    fn every_type_is_exact() {
        let found = rows(
            r#"print t = datetime(2024-03-01T00:01:00.1234567Z), old = datetime(0001-01-01), s = -(1d + 2h + 1tick), l = 9223372036854775807,
               r = 0.1 + 0.2, big = 1e300, m = decimal(1.25), b = true, i = guid(74be27de-1e4e-49d9-b579-fe0b331d3642),
               text = "é \"q\" \\ \n \u0001", bag = dynamic({"a": ["it's \"x\"", null, 1234567890123456789]})"#,
        );
        assert_eq!(
            found,
            [concat!(
                r#"{"t":"2024-03-01T00:01:00.1234567Z","old":"0001-01-01T00:00:00.0000000Z","s":"-1.02:00:00.0000001","l":9223372036854775807,"#,
                r#""r":0.30000000000000004,"big":1e+300,"m":"1.25","b":true,"i":"74be27de-1e4e-49d9-b579-fe0b331d3642","#,
                r#""text":"é \"q\" \\ \n \u0001","bag":{"a":["it's \"x\"",null,1234567890123456789]}}"#
            )]
        );
    }

    #[test]
    fn nulls_are_left_out_and_lost_reals_counted() {
        assert_eq!(rows("print a = long(null), b = '', c = dynamic(null), d = 1"), [r#"{"b":"","d":1}"#]);
        assert_eq!(rows("print a = long(null)"), ["{}"]);
        let frame = df!("x" => [1.0, f64::NAN, f64::INFINITY]).unwrap();
        let encoder = Encoder::new(&frame, &[KqlType::Real]).unwrap();
        assert_eq!(encoder.lost_reals, [("x".to_owned(), 2)]);
    }

    #[test]
    fn what_has_no_json_is_named() {
        let frame = df!("bag" => ["{", "{}"]).unwrap();
        let error = Encoder::new(&frame, &[KqlType::Dynamic]).err().unwrap();
        assert!(error.message.contains("`bag`"), "{error}");
    }
}
