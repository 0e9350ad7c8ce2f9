//! A service's columns as a frame, in the representation that `huntbook_kql` gives its own results: datetimes and
//! timespans in the unit that holds their ticks exactly, decimals at one scale, guids and dynamics as tagged text.

use huntbook_azure::table::{Column as ServiceColumn, ColumnType, Table, TextColumn, Values};
use huntbook_kql::{KqlType, ticks};
use polars::prelude::*;

use crate::{Error, Result};

/// Rows and the KQL types of their columns.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    pub(crate) frame: DataFrame,
    pub(crate) types: Vec<KqlType>,
}

/// Errors: two columns of one name, and values that polars cannot hold; both name the column.
pub(crate) fn rows_of(table: Table) -> Result<Rows> {
    let types = table.columns.iter().map(|column| kql_type(column.kind())).collect();
    let height = table.rows;
    let columns = table.columns.into_iter().map(column_of).collect::<Result<Vec<_>>>()?;
    let frame = DataFrame::new(height, columns)?;
    Ok(Rows { frame, types })
}

pub(crate) fn kql_type(kind: ColumnType) -> KqlType {
    match kind {
        ColumnType::Bool => KqlType::Bool,
        ColumnType::Int => KqlType::Int,
        ColumnType::Long => KqlType::Long,
        ColumnType::Real => KqlType::Real,
        ColumnType::Decimal => KqlType::Decimal,
        ColumnType::String => KqlType::String,
        ColumnType::DateTime => KqlType::Datetime,
        ColumnType::TimeSpan => KqlType::Timespan,
        ColumnType::Guid => KqlType::Guid,
        ColumnType::Dynamic => KqlType::Dynamic,
    }
}

fn column_of(column: ServiceColumn) -> Result<Column> {
    let name = PlSmallStr::from_string(column.name);
    let series = match column.values {
        Values::Bool(values) => Series::new(name, values),
        Values::Int(values) => Series::new(name, values),
        Values::Long(values) => Series::new(name, values),
        Values::Real(values) => Series::new(name, values),
        Values::String(texts) | Values::Guid(texts) | Values::Dynamic(texts) => text_series(name, &texts),
        Values::DateTime(values) => {
            let (values, unit) = scaled(&name, values, ticks::UNIX_EPOCH)?;
            Int64Chunked::from_iter_options(name, values.into_iter()).into_datetime(unit, None).into_series()
        }
        Values::TimeSpan(values) => {
            let (values, unit) = scaled(&name, values, 0)?;
            Int64Chunked::from_iter_options(name, values.into_iter()).into_duration(unit).into_series()
        }
        Values::Decimal(texts) => decimals(name, &texts)?,
    };
    Ok(series.into_column())
}

fn text_series(name: PlSmallStr, texts: &TextColumn) -> Series {
    StringChunked::from_iter_options(name, texts.iter()).into_series()
}

/// Microseconds hold every year but not the last digit of a tick, nanoseconds the digit but only the years 1677 to 2262.
fn scaled(name: &str, values: Vec<Option<i64>>, origin: i64) -> Result<(Vec<Option<i64>>, TimeUnit)> {
    let whole = values.iter().flatten().all(|value| value % 10 == 0);
    let convert = |value: i64| {
        let value = value.checked_sub(origin)?;
        if whole { Some(value / 10) } else { value.checked_mul(100) }
    };
    let converted: Option<Vec<Option<i64>>> =
        values.into_iter().map(|value| value.map_or(Some(None), |value| convert(value).map(Some))).collect();
    let unit = if whole { TimeUnit::Microseconds } else { TimeUnit::Nanoseconds };
    converted.map(|values| (values, unit)).ok_or_else(|| {
        Error::new(
            "FrameError",
            format!("the column `{name}` holds values with 100 ns digits outside the years 1677 to 2262, which a frame cannot hold: bin() it to 1microsecond in the query"),
        )
    })
}

/// Polars keeps one number of digits behind the point per column: the most that any value has.
fn decimals(name: PlSmallStr, texts: &TextColumn) -> Result<Series> {
    let too_long = || {
        Error::new(
            "FrameError",
            format!(
                "the decimals of the column `{name}` need more than 38 digits together, which a frame cannot hold: round() them in the query"
            ),
        )
    };
    let plain = texts.iter().map(|text| text.map_or(Some(None), |text| plain_decimal(text).map(Some)));
    let plain: Vec<Option<String>> = plain.collect::<Option<_>>().ok_or_else(too_long)?;
    let digits =
        |text: &String| text.split_once('.').map_or((text.len(), 0), |(whole, part)| (whole.len(), part.len()));
    let scale = plain.iter().flatten().map(|text| digits(text).1).max().unwrap_or(0);
    let whole =
        plain.iter().flatten().map(|text| digits(&text.trim_start_matches('-').to_owned()).0).max().unwrap_or(0);
    if whole + scale > 38 {
        return Err(too_long());
    }
    let texts = StringChunked::from_iter_options(name.clone(), plain.iter().map(Option::as_deref));
    Ok(texts.into_series().strict_cast(&DataType::Decimal(38, scale))?)
}

/// `1.5E-3` as `0.0015`, without zeros at the end; `None` if it is no number or has too many digits.
fn plain_decimal(text: &str) -> Option<String> {
    let (negative, number) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (number, exponent) = match number.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
        None => (number, 0),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || digits.len() > 80 || exponent.abs() > 80 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let point = whole.len() as i32 + exponent;
    let (whole, fraction) = if point <= 0 {
        (String::new(), format!("{}{digits}", "0".repeat(point.unsigned_abs() as usize)))
    } else if point as usize >= digits.len() {
        (format!("{digits}{}", "0".repeat(point as usize - digits.len())), String::new())
    } else {
        (digits[..point as usize].to_owned(), digits[point as usize..].to_owned())
    };
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let whole = if whole.is_empty() { "0" } else { whole };
    let sign = if negative && (whole != "0" || !fraction.is_empty()) { "-" } else { "" };
    Some(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

#[cfg(test)]
mod tests {
    use huntbook_azure::table::TableKind;
    use huntbook_kql::batch;

    use super::*;

    fn table(columns: Vec<(&str, Values)>) -> Table {
        let rows = columns.first().map_or(0, |(_, values)| values.len());
        let columns =
            columns.into_iter().map(|(name, values)| ServiceColumn { name: name.to_owned(), values }).collect();
        Table { name: "PrimaryResult".into(), kind: TableKind::Primary, columns, rows }
    }

    fn texts(values: &[Option<&str>]) -> TextColumn {
        values.iter().copied().collect()
    }

    /// What the first row shows, by name.
    fn first(columns: Vec<(&str, Values)>) -> Vec<String> {
        let rows = rows_of(table(columns)).unwrap();
        let cells = rows.frame.columns().iter().zip(&rows.types);
        cells.map(|(column, kind)| batch::text(&column.get(0).unwrap(), *kind).unwrap_or("null".into())).collect()
    }

    #[test]
    fn every_type_stays_exact() {
        let shown = first(vec![
            ("b", Values::Bool(vec![Some(true)])),
            ("i", Values::Int(vec![Some(i32::MIN)])),
            ("l", Values::Long(vec![Some(i64::MAX)])),
            ("r", Values::Real(vec![Some(f64::NEG_INFINITY)])),
            ("d", Values::Decimal(texts(&[Some("-1.50E-3")]))),
            ("s", Values::String(texts(&[Some("é \"x\"")]))),
            ("t", Values::DateTime(vec![Some(ticks::UNIX_EPOCH + 1)])),
            ("old", Values::DateTime(vec![Some(0)])),
            ("span", Values::TimeSpan(vec![Some(-ticks::DAY - 5)])),
            ("g", Values::Guid(texts(&[Some("74be27de-1e4e-49d9-b579-fe0b331d3642")]))),
            ("j", Values::Dynamic(texts(&[Some(r#"{"a":[1,null]}"#)]))),
        ]);
        assert_eq!(
            shown,
            [
                "true",
                "-2147483648",
                "9223372036854775807",
                "-Infinity",
                "-0.0015",
                "é \"x\"",
                "1970-01-01T00:00:00.0000001Z",
                "0001-01-01T00:00:00.0000000Z",
                "-1.00:00:00.0000005",
                "74be27de-1e4e-49d9-b579-fe0b331d3642",
                r#"{"a":[1,null]}"#,
            ]
        );
    }

    #[test]
    fn nulls_stay_nulls() {
        let shown = first(vec![
            ("l", Values::Long(vec![None, Some(1)])),
            ("d", Values::Decimal(texts(&[None, Some("1.25")]))),
            ("t", Values::DateTime(vec![None, Some(ticks::UNIX_EPOCH)])),
            ("j", Values::Dynamic(texts(&[None, Some("1")]))),
        ]);
        assert_eq!(shown, ["null"; 4]);
    }

    #[test]
    fn what_a_frame_cannot_hold_is_an_error_with_the_column() {
        let message = |columns| rows_of(table(columns)).unwrap_err().message;
        assert!(message(vec![("when", Values::DateTime(vec![Some(1)]))]).contains("`when`"));
        let long = "1".repeat(30);
        let small = format!("0.{}1", "0".repeat(20));
        let decimals = Values::Decimal(texts(&[Some(&long), Some(&small)]));
        assert!(message(vec![("amount", decimals)]).contains("`amount`"));
        assert!(message(vec![("a", Values::Long(vec![Some(1)])), ("a", Values::Long(vec![Some(1)]))]).contains('a'));
    }

    #[test]
    fn decimals_are_written_out() {
        for (text, plain) in [("1E-7", "0.0000001"), ("1.20", "1.2"), ("-0.0", "0"), ("12e3", "12000"), ("007", "7")] {
            assert_eq!(plain_decimal(text).as_deref(), Some(plain), "{text}");
        }
        assert_eq!((plain_decimal("x"), plain_decimal("1e999")), (None, None));
    }
}
