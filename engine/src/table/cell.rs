//! One value as a table shows it.

use huntbook_kql::{KqlType, batch};
use polars::prelude::*;

/// What stands in a cell.
pub(super) struct Cell {
    /// One line
    pub(super) text: String,
    /// The value in full, where `text` says less.
    pub(super) full: Option<String>,
    /// A number by which rows are sorted, where the text would not do.
    pub(super) order: Option<i64>,
    /// JSON over several lines, for a dynamic value that has parts.
    pub(super) pretty: Option<String>,
}

/// `None` for null, which looks different from empty text.
pub(super) fn cell(column: &Column, kql_type: KqlType, row: usize) -> Option<Cell> {
    let value = column.get(row).ok()?;
    let plain = |text: String| Cell { text, full: None, order: None, pretty: None };
    Some(match value {
        AnyValue::Null => return None,
        AnyValue::Float64(value) => real(value),
        AnyValue::Float32(value) => real(f64::from(value)),
        AnyValue::String(text) if kql_type == KqlType::Dynamic => dynamic(text),
        AnyValue::StringOwned(ref text) if kql_type == KqlType::Dynamic => dynamic(text),
        // A column of one value gives the owned kind.
        AnyValue::Datetime(value, unit, _) | AnyValue::DatetimeOwned(value, unit, _) => plain(datetime(value, unit)),
        AnyValue::Duration(ticks, _) => {
            let text = batch::text(&value, KqlType::Timespan).unwrap_or_else(|| value.to_string());
            Cell { order: Some(ticks), ..plain(text) }
        }
        AnyValue::String(text) => plain(text.to_owned()),
        AnyValue::StringOwned(text) => plain(text.to_string()),
        other => plain(other.to_string()),
    })
}

fn real(value: f64) -> Cell {
    let text = float(value);
    let exact = value.to_string();
    let is_exact = !value.is_finite() || text.parse() == Ok(value);
    Cell { text, full: (!is_exact).then_some(exact), order: None, pretty: None }
}

fn dynamic(text: &str) -> Cell {
    let pretty = serde_json::from_str::<serde_json::Value>(text)
        .ok()
        .filter(|value| value.is_object() || value.is_array())
        .and_then(|value| serde_json::to_string_pretty(&value).ok());
    Cell { text: text.to_owned(), full: None, order: None, pretty }
}

/// Six significant digits: enough to tell scores apart, short enough to compare down a column.
pub(super) fn float(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return match value {
            value if value == f64::INFINITY => "∞".into(),
            value if value == f64::NEG_INFINITY => "-∞".into(),
            value if value.is_nan() => "NaN".into(),
            _ => "0".into(),
        };
    }
    let magnitude = value.abs().log10().floor();
    if !(-5.0..15.0).contains(&magnitude) {
        return format!("{value:.5e}");
    }
    let decimals = (5.0 - magnitude).clamp(0.0, 10.0) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn datetime(value: i64, unit: TimeUnit) -> String {
    let parsed = match unit {
        TimeUnit::Nanoseconds => Some(chrono::DateTime::from_timestamp_nanos(value)),
        TimeUnit::Microseconds => chrono::DateTime::from_timestamp_micros(value),
        TimeUnit::Milliseconds => chrono::DateTime::from_timestamp_millis(value),
    };
    match parsed {
        Some(time) => time.format("%Y-%m-%d %H:%M:%S%.f").to_string() + "Z",
        None => format!("{value} (beyond the calendar)"),
    }
}
