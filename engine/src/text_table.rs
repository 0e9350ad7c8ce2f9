//! Rows as aligned text for a terminal or a file, in Kusto's spelling.

use huntbook_kql::{KqlType, batch};
use polars::prelude::{Column, DataFrame, PolarsResult};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::table::{is_right_aligned, one_line, summary};

/// Between columns.
const GAP: &str = "  ";
/// Cells keep so many characters, even if the line then does not fit.
const NARROWEST: usize = 12;

/// All rows below the names of their columns. With `line`, cells are cut so that a row fits into so many characters.
pub(crate) fn render(frame: &DataFrame, types: &[KqlType], line: Option<usize>) -> PolarsResult<String> {
    let columns = frame.columns().iter().zip(types).map(|(column, kql_type)| TextColumn::of(column, *kql_type));
    let mut columns = columns.collect::<PolarsResult<Vec<_>>>()?;
    if let Some(line) = line {
        let limit = cell_limit(columns.iter().map(|column| column.width).collect(), line);
        columns.iter_mut().for_each(|column| column.cut(limit));
    }
    let rules: Vec<String> = columns.iter().map(|column| "─".repeat(column.width)).collect();
    let names: Vec<String> = columns.iter().map(|column| column.padded(&column.name)).collect();
    let mut out = summary(frame, frame.height());
    let mut push = |cells: Vec<String>| {
        out.push('\n');
        out.push_str(cells.join(GAP).trim_end());
    };
    push(names);
    push(rules);
    for row in 0..frame.height() {
        push(columns.iter().map(|column| column.padded(&column.cells[row])).collect());
    }
    Ok(out)
}

struct TextColumn {
    name: String,
    cells: Vec<String>,
    is_right: bool,
    /// Of the widest, the name included
    width: usize,
}

impl TextColumn {
    fn of(column: &Column, kql_type: KqlType) -> PolarsResult<Self> {
        // Text from data, names among it, must not move the cursor or end the line.
        let cell = |row: usize| -> PolarsResult<String> {
            Ok(batch::text(&column.get(row)?, kql_type).map_or("null".to_owned(), |text| one_line(&text)))
        };
        let cells = (0..column.len()).map(cell).collect::<PolarsResult<Vec<String>>>()?;
        let (name, is_right) = (one_line(column.name()), is_right_aligned(column.dtype()));
        let mut column = Self { name, cells, is_right, width: 0 };
        column.measure();
        Ok(column)
    }

    fn measure(&mut self) {
        let widest = self.cells.iter().map(|cell| cell.as_str().width()).max().unwrap_or(0);
        self.width = widest.max(self.name.as_str().width());
    }

    fn cut(&mut self, limit: usize) {
        if self.width > limit {
            self.cells.iter_mut().for_each(|cell| *cell = clipped(cell, limit));
            self.measure();
        }
    }

    fn padded(&self, text: &str) -> String {
        let space = " ".repeat(self.width.saturating_sub(text.width()));
        if self.is_right { format!("{space}{text}") } else { format!("{text}{space}") }
    }
}

/// The most characters of a cell, so that a row fits the line: what narrow columns do not need goes to wide ones.
fn cell_limit(mut widths: Vec<usize>, line: usize) -> usize {
    widths.sort_unstable();
    let mut left = line.saturating_sub(GAP.len() * widths.len().saturating_sub(1));
    for (at, width) in widths.iter().enumerate() {
        let share = left / (widths.len() - at);
        if *width > share {
            return share.max(NARROWEST);
        }
        left -= width;
    }
    usize::MAX
}

fn clipped(text: &str, limit: usize) -> String {
    if text.width() <= limit {
        return text.to_owned();
    }
    let mut room = limit.saturating_sub(1);
    let mut out = String::new();
    for character in text.chars() {
        let width = character.width().unwrap_or(0);
        if width > room {
            break;
        }
        room -= width;
        out.push(character);
    }
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use super::*;

    fn shown(frame: &DataFrame, types: &[KqlType], line: Option<usize>) -> Vec<String> {
        render(frame, types, line).unwrap().lines().map(ToString::to_string).collect()
    }

    #[test]
    fn wide_columns_get_what_narrow_ones_leave() {
        assert_eq!(cell_limit(vec![5, 10], 17), usize::MAX);
        assert_eq!(cell_limit(vec![5, 100], 47), 40);
        assert_eq!(cell_limit(vec![100, 5, 100], 69), 30);
        assert_eq!(cell_limit(vec![100; 20], 80), NARROWEST);
    }

    #[test]
    fn cells_are_cut_only_to_fit_a_line() {
        let frame = df!("n" => [1i64, 22], "text" => ["x".repeat(100), "日本語".repeat(30)]).unwrap();
        let types = [KqlType::Long, KqlType::String];
        let all = shown(&frame, &types, None);
        assert!(all[3].ends_with(&"x".repeat(100)), "{all:?}");
        let cut = shown(&frame, &types, Some(40));
        assert_eq!(cut[1].trim_end(), " n  text");
        assert_eq!(cut[3], format!(" 1  {}…", "x".repeat(35)));
        assert!(cut[4].starts_with("22  日本語") && cut[4].ends_with('…'), "{cut:?}");
        assert!(cut.iter().all(|line| line.width() <= 40), "{cut:?}");
    }

    #[test]
    fn text_from_data_stays_on_its_line() {
        let frame = df!("a\u{1b}[2J" => [Some("x\ny\tz\u{1b}[31m"), Some(""), None]).unwrap();
        let lines = shown(&frame, &[KqlType::String], None);
        assert_eq!(lines[1..], ["a [2J", "──────────", "x y z [31m", "", "null"]);
    }
}
