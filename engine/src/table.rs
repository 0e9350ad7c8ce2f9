//! Frames as tables in a notebook: HTML, and aligned text for clients without it.

mod cell;
mod html;

use huntbook_kql::KqlType;
use polars::prelude::*;
use unicode_width::UnicodeWidthStr;

use crate::Display;
use cell::Cell;

/// Rows shown when nobody says how many.
pub const DEFAULT_LIMIT: usize = 50;
/// Where rows are left out, so many of those shown are the last ones.
const LAST_ROWS: usize = 5;
/// With fewer rows than this, all are first ones.
const FEWEST_TO_SPLIT: usize = 20;
const MAX_TEXT_CELL: usize = 40;

/// `limit` rows with names, types and counts: the first ones, and of many the last ones too. `types` are KQL's where the
/// frame comes from a query.
pub fn render(frame: &DataFrame, types: Option<&[String]>, limit: usize) -> Display {
    let shown = Shown::of(frame, types, limit);
    Display::new([("text/html", html::html(&shown)), ("text/plain", shown.text())])
}

/// The rows that are shown.
struct Shown<'f> {
    frame: &'f DataFrame,
    rows: DataFrame,
    type_names: Vec<String>,
    types: Vec<KqlType>,
    /// The first of the last rows, where some before it are left out.
    gap_before: Option<usize>,
    summary: String,
}

impl<'f> Shown<'f> {
    fn of(frame: &'f DataFrame, types: Option<&[String]>, limit: usize) -> Shown<'f> {
        let type_names: Vec<String> = match types {
            Some(types) => types.to_vec(),
            None => frame.columns().iter().map(|column| type_name(column.dtype())).collect(),
        };
        let types = type_names.iter().map(|name| KqlType::from_name(name).unwrap_or(KqlType::String)).collect();
        let splits = frame.height() > limit && limit >= FEWEST_TO_SPLIT;
        let both = || frame.head(Some(limit - LAST_ROWS)).vstack(&frame.tail(Some(LAST_ROWS)));
        let (rows, gap_before) = match splits.then(both) {
            Some(Ok(rows)) => (rows, Some(limit - LAST_ROWS)),
            _ => (frame.head(Some(limit)), None),
        };
        let summary = match gap_before {
            Some(first) => format!(
                "{}, the first {} and the last {LAST_ROWS} shown",
                summary(frame, frame.height()),
                thousands(first)
            ),
            None => summary(frame, rows.height()),
        };
        Shown { frame, rows, type_names, types, gap_before, summary }
    }

    fn cell(&self, column: usize, row: usize) -> Option<Cell> {
        cell::cell(&self.rows.columns()[column], self.types[column], row)
    }

    fn alignment(&self, column: usize) -> &'static str {
        if is_right_aligned(self.rows.columns()[column].dtype()) { "right" } else { "left" }
    }

    fn gap_text(&self) -> String {
        format!("{} rows not shown", thousands(self.frame.height() - self.rows.height()))
    }

    fn text(&self) -> String {
        let columns: Vec<Vec<String>> = (0..self.rows.width())
            .map(|at| {
                let cells = (0..self.rows.height()).map(|row| {
                    let text = self.cell(at, row).map_or("null".to_owned(), |cell| one_line(&cell.text));
                    html::clip(&text, MAX_TEXT_CELL)
                });
                std::iter::once(one_line(self.rows.columns()[at].name())).chain(cells).collect()
            })
            .collect();
        let widths: Vec<usize> =
            columns.iter().map(|cells| cells.iter().map(|cell| cell.width()).max().unwrap_or(0)).collect();
        let mut lines = vec![self.summary.clone()];
        for row in 0..=self.rows.height() {
            if row > 0 && self.gap_before == Some(row - 1) {
                lines.push(format!("… {} …", self.gap_text()));
            }
            let cells = columns.iter().zip(&widths).enumerate().map(|(at, (cells, width))| {
                let space = " ".repeat(width.saturating_sub(cells[row].width()));
                if self.alignment(at) == "right" {
                    format!("{space}{}", cells[row])
                } else {
                    format!("{}{space}", cells[row])
                }
            });
            lines.push(cells.collect::<Vec<_>>().join("  ").trim_end().to_owned());
            if row == 0 {
                lines.push(widths.iter().map(|width| "─".repeat(*width)).collect::<Vec<_>>().join("  "));
            }
        }
        lines.join("\n")
    }
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

pub(crate) fn is_right_aligned(data_type: &DataType) -> bool {
    data_type.is_primitive_numeric() || data_type.is_duration() || data_type.is_decimal()
}

/// Text that neither ends the line nor moves a terminal's cursor, nor turns the direction of what follows.
pub(crate) fn one_line(text: &str) -> String {
    let turns = |character: char| matches!(u32::from(character), 0x200E..=0x200F | 0x202A..=0x202E | 0x2066..=0x2069);
    text.chars().map(|character| if character.is_control() || turns(character) { ' ' } else { character }).collect()
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

    fn shown(frame: &DataFrame, types: Option<&[String]>, limit: usize) -> (String, String) {
        let display = render(frame, types, limit);
        let of = |mime: &str| display.data[mime].as_str().unwrap().to_owned();
        (of("text/html"), of("text/plain"))
    }

    #[test]
    fn floats_read_well() {
        let shown: Vec<String> =
            [0.0, 1.0, 2.5, 1234567.0, 0.000_012_345, 1e20, f64::INFINITY, -4.0 / 3.0].map(cell::float).into();
        assert_eq!(shown, ["0", "1", "2.5", "1234567", "0.000012345", "1.00000e20", "∞", "-1.33333"]);
        let (html, _) = self::shown(&df!("x" => [1.0 / 3.0, 0.5]).unwrap(), None, 9);
        assert!(html.contains("title=\"0.3333333333333333\">0.333333</td>") && html.contains(">0.5</td>"), "{html}");
    }

    #[test]
    fn hostile_text_is_only_text() {
        let frame = df!("<b>" => ["<script>alert(1)</script>", "a\u{1b}[2J\u{202e}b"]).unwrap();
        let (html, text) = shown(&frame, None, 10);
        assert!(!html.contains("<script>") && !html.contains("<b>"), "{html}");
        assert!(html.contains("&lt;script&gt;"));
        assert!(text.ends_with("\na [2J b"), "{text:?}");
    }

    #[test]
    fn what_is_not_shown_is_said() {
        let frame = df!("n" => (0..1234).collect::<Vec<i64>>()).unwrap();
        let (_, text) = shown(&frame, None, 2);
        assert_eq!(text, "1,234 rows × 1 column, the first 2 shown\nn\n─\n0\n1");
        let (html, text) = shown(&frame, None, 20);
        assert!(text.starts_with("1,234 rows × 1 column, the first 15 and the last 5 shown\n"), "{text}");
        assert!(text.contains("\n  14\n… 1,214 rows not shown …\n1229\n") && text.ends_with("1233"), "{text}");
        assert!(html.contains("… 1,214 rows not shown …") && html.contains(">1233<"), "{html}");
    }

    #[test]
    fn null_differs_from_empty() {
        let frame = df!("t" => [Some(""), None]).unwrap();
        let (html, text) = shown(&frame, None, 10);
        assert_eq!(html.matches(">null<").count(), 1);
        assert!(text.ends_with("\n\nnull"), "{text:?}");
    }

    #[test]
    fn dynamics_open_and_long_text_is_on_hover() {
        let json = format!("{{\"a\":\"{}\",\"b\":[1,2]}}", "<x>".repeat(40));
        let frame = df!("d" => [json.as_str(), "1"], "s" => ["y".repeat(100), "z".into()]).unwrap();
        let types = ["dynamic".to_owned(), "string".to_owned()];
        let (html, _) = shown(&frame, Some(&types), 10);
        assert!(html.contains("<details><summary>{&quot;a&quot;") && html.contains("&quot;b&quot;: [\n"), "{html}");
        assert!(html.contains(&format!(" title=\"{}\">", "y".repeat(100))) && !html.contains("<x>"), "{html}");
    }

    #[test]
    fn spans_are_kustos_and_sort_by_length() {
        let frame = df!("n" => [90i64]).unwrap();
        let span = (col("n") * lit(1_000_000i64)).cast(DataType::Duration(TimeUnit::Microseconds)).alias("span");
        let frame = frame.lazy().select([span]).collect().unwrap();
        let (html, text) = shown(&frame, None, 10);
        assert!(html.contains("data-v=\"90000000\">00:01:30"), "{html}");
        assert!(text.contains("00:01:30"), "{text}");
    }

    #[test]
    fn tables_have_a_ceiling() {
        let cell = "&".repeat(3_000);
        let frame = df!("s" => vec![cell; 500]).unwrap();
        let (html, _) = shown(&frame, None, 500);
        assert!(html.len() < 1_100_000, "{}", html.len());
        assert!(html.contains("more rows do not fit into a notebook"));
    }

    #[test]
    fn only_tables_worth_sorting_have_the_script() {
        let of = |rows: i64| shown(&df!("n" => (0..rows).collect::<Vec<i64>>()).unwrap(), None, 50).0;
        assert!(!of(3).contains("<script") && of(30).contains("<script data-huntbook>"));
    }
}
