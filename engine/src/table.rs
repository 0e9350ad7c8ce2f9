//! Frames as tables in a notebook: HTML, and aligned text for clients without it.

use std::fmt::Write;

use polars::prelude::*;

use crate::Display;

/// Rows shown when nobody says how many.
pub const DEFAULT_LIMIT: usize = 50;
/// Longer cells are clipped; the full text is in the tooltip.
const MAX_CELL: usize = 80;
const MAX_TEXT_CELL: usize = 40;

/// The first `limit` rows with names, types and counts. `types` are KQL's where the frame comes from a query.
pub fn render(frame: &DataFrame, types: Option<&[String]>, limit: usize) -> Display {
    let shown = frame.head(Some(limit));
    let summary = summary(frame, shown.height());
    let types: Vec<String> = match types {
        Some(types) => types.to_vec(),
        None => frame.columns().iter().map(|column| type_name(column.dtype())).collect(),
    };
    Display::new([("text/html", html(&shown, &types, &summary)), ("text/plain", text(&shown, &summary))])
}

pub(crate) fn summary(frame: &DataFrame, shown: usize) -> String {
    let plural = |count: usize, noun: &str| format!("{} {noun}{}", thousands(count), if count == 1 { "" } else { "s" });
    let size = format!("{} × {}", plural(frame.height(), "row"), plural(frame.width(), "column"));
    if shown < frame.height() { format!("{size}, the first {} shown", thousands(shown)) } else { size }
}

fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// KQL's name for a column's type.
pub(crate) fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "bool".into(),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => "int".into(),
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => "long".into(),
        DataType::Float32 | DataType::Float64 => "real".into(),
        DataType::String => "string".into(),
        DataType::Datetime(_, _) | DataType::Date => "datetime".into(),
        DataType::Duration(_) => "timespan".into(),
        other => other.to_string(),
    }
}

fn html(frame: &DataFrame, types: &[String], summary: &str) -> String {
    let mut out = format!(
        "<div style=\"margin-bottom:.3em;opacity:.75;font-size:.9em\">{summary}</div>\
         <div style=\"overflow:auto;max-height:32em;max-width:100%\"><table><thead><tr>"
    );
    for (column, data_type) in frame.columns().iter().zip(types) {
        let _ = write!(
            out,
            "<th style=\"position:sticky;top:0;text-align:{}\">{}<br><span style=\"font-weight:normal;opacity:.6;font-size:.85em\">{}</span></th>",
            alignment(column.dtype()),
            escape(column.name()),
            escape(data_type)
        );
    }
    out.push_str("</tr></thead><tbody>");
    for row in 0..frame.height() {
        out.push_str("<tr>");
        for column in frame.columns() {
            let _ = write!(out, "<td style=\"text-align:{};white-space:nowrap\"", alignment(column.dtype()));
            match cell(column, row) {
                None => out.push_str("><span style=\"opacity:.45\">null</span></td>"),
                Some(value) if value.chars().count() > MAX_CELL => {
                    let _ = write!(out, " title=\"{}\">{}</td>", escape(&value), escape(&clip(&value, MAX_CELL)));
                }
                Some(value) => {
                    let _ = write!(out, ">{}</td>", escape(&value));
                }
            }
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div>");
    out
}

fn text(frame: &DataFrame, summary: &str) -> String {
    let columns: Vec<Vec<String>> = frame
        .columns()
        .iter()
        .map(|column| {
            let cells = (0..frame.height())
                .map(|row| cell(column, row).map_or("null".into(), |value| clip(&one_line(&value), MAX_TEXT_CELL)));
            std::iter::once(column.name().to_string()).chain(cells).collect()
        })
        .collect();
    let widths: Vec<usize> =
        columns.iter().map(|cells| cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0)).collect();
    let mut out = format!("{summary}\n");
    for row in 0..=frame.height() {
        let line: Vec<String> = frame
            .columns()
            .iter()
            .zip(&columns)
            .zip(&widths)
            .map(|((column, cells), width)| match alignment(column.dtype()) {
                "right" => format!("{:>width$}", cells[row]),
                _ => format!("{:<width$}", cells[row]),
            })
            .collect();
        out.push_str(line.join("  ").trim_end());
        out.push('\n');
        if row == 0 {
            let rule: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
            out.push_str(&rule.join("  "));
            out.push('\n');
        }
    }
    out.pop();
    out
}

fn alignment(data_type: &DataType) -> &'static str {
    if is_right_aligned(data_type) { "right" } else { "left" }
}

pub(crate) fn is_right_aligned(data_type: &DataType) -> bool {
    data_type.is_primitive_numeric() || data_type.is_duration() || data_type.is_decimal()
}

/// `None` for null, which looks different from empty text.
fn cell(column: &Column, row: usize) -> Option<String> {
    let value = column.get(row).ok()?;
    Some(match value {
        AnyValue::Null => return None,
        AnyValue::Float64(value) => float(value),
        AnyValue::Float32(value) => float(f64::from(value)),
        AnyValue::String(value) => value.to_owned(),
        AnyValue::StringOwned(value) => value.to_string(),
        // A column of one value gives the owned kind.
        AnyValue::Datetime(value, unit, _) | AnyValue::DatetimeOwned(value, unit, _) => datetime(value, unit),
        other => other.to_string(),
    })
}

/// Six significant digits: enough to tell scores apart, short enough to compare down a column.
fn float(value: f64) -> String {
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

/// A secret that is cut short would be known no more: it is hidden before.
fn clip(text: &str, limit: usize) -> String {
    let text = crate::redact::text(text);
    if text.chars().count() <= limit {
        return text.into_owned();
    }
    text.chars().take(limit - 1).chain(['…']).collect()
}

pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// Escapes text from data for HTML, attributes included.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_read_well() {
        let shown: Vec<String> =
            [0.0, 1.0, 2.5, 1234567.0, 0.000_012_345, 1e20, f64::INFINITY, -4.0 / 3.0].map(float).into();
        assert_eq!(shown, ["0", "1", "2.5", "1234567", "0.000012345", "1.00000e20", "∞", "-1.33333"]);
    }

    #[test]
    fn hostile_text_is_only_text() {
        let frame = df!("<b>" => ["<script>alert(1)</script>"]).unwrap();
        let shown = render(&frame, None, 10);
        let html = shown.data["text/html"].as_str().unwrap();
        assert!(!html.contains("<script>") && !html.contains("<b>"), "{html}");
        assert!(html.contains("&lt;script&gt;"));
    }

    #[test]
    fn what_is_not_shown_is_said() {
        let frame = df!("n" => (0..1234).collect::<Vec<i64>>()).unwrap();
        let shown = render(&frame, None, 2);
        let text = shown.data["text/plain"].as_str().unwrap();
        assert_eq!(text, "1,234 rows × 1 column, the first 2 shown\nn\n─\n0\n1");
    }

    #[test]
    fn null_differs_from_empty() {
        let frame = df!("t" => [Some(""), None]).unwrap();
        let shown = render(&frame, None, 10);
        assert_eq!(shown.data["text/html"].as_str().unwrap().matches(">null<").count(), 1);
    }
}
