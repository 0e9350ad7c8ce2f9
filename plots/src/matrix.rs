//! How often each value of one column meets each of another.

use std::collections::HashMap;

use crate::{
    ChartData, Picture, PlotError, number, pick, plain,
    svg::{self, Anchor, Svg, TextStyle, draw_last, draw_title},
    text, theme,
};

/// Names on each side; the rest is "other".
const MOST: usize = 40;
const LABEL_LIMIT: f64 = 170.0;
const CELL: (f64, f64) = (16.0, 46.0);
const CELL_HEIGHT: f64 = 22.0;

/// How a matrix looks, and which columns it takes; those that are `None` are chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixOptions {
    /// Shown above; empty for none.
    pub title: String,
    /// Names along the left; chosen: a user, an account, a source address, or the first text.
    pub rows: Option<String>,
    /// Names along the top; chosen: a resource, a computer, a destination, or the next text.
    pub columns: Option<String>,
    /// What is added up in each cell; chosen: the only other number, else each row counts 1.
    pub value: Option<String>,
    /// Pixels, brought into 320..=8000. The height follows from the number of rows.
    pub width: u32,
}

impl Default for MatrixOptions {
    fn default() -> Self {
        MatrixOptions { title: String::new(), rows: None, columns: None, value: None, width: 900 }
    }
}

/// The names of one side, with their sums; the largest first.
struct Side {
    names: Vec<String>,
    /// From every name to its index; those that are folded have that of "other".
    index: HashMap<String, usize>,
    folded: usize,
}

impl Side {
    fn of(data: &ChartData, column: usize, values: &[f64]) -> Side {
        let mut sums: HashMap<String, f64> = HashMap::new();
        for (row, value) in values.iter().enumerate().filter(|(_, value)| value.is_finite()) {
            *sums.entry(pick::shown(data, column, row)).or_default() += value.abs();
        }
        let mut sums: Vec<(String, f64)> = sums.into_iter().collect();
        sums.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        // A single surplus name is shown, as it takes the room of "other".
        let named = if sums.len() <= MOST { sums.len() } else { MOST - 1 };
        let folded = sums.len() - named;
        let index = sums.iter().enumerate().map(|(at, (name, _))| (name.clone(), at.min(named))).collect();
        let mut names: Vec<String> = sums.into_iter().take(named).map(|(name, _)| name).collect();
        if folded > 0 {
            names.push(format!("other ({})", number::count(folded)));
        }
        Side { names, index, folded }
    }
}

struct Matrix {
    rows: Side,
    columns: Side,
    /// By row, then column; NaN where the two never meet.
    cells: Vec<Vec<f64>>,
    row_name: String,
    column_name: String,
    value_name: String,
    notes: Vec<String>,
}

/// Draws the sums of a value for each pair of names; the darker a cell, the more (on a logarithmic scale).
///
/// # Errors
/// [`PlotError::Missing`] without two columns of names; those of columns that are named.
pub fn matrix(data: &ChartData, options: &MatrixOptions) -> Result<Picture, PlotError> {
    let matrix = Matrix::of(data, options)?;
    if matrix.rows.names.is_empty() {
        let svg = svg::no_data(theme::usable_width(options.width), &options.title, &matrix.notes);
        return Ok(Picture { svg, text: format!("{}\nno data", text::clean_line(&options.title)) });
    }
    Ok(Picture { svg: matrix.draw(options), text: matrix.text(options) })
}

impl Matrix {
    fn of(data: &ChartData, options: &MatrixOptions) -> Result<Matrix, PlotError> {
        let (row_column, column_column) =
            pick::ends(data, options.rows.as_deref(), options.columns.as_deref(), "a matrix")?;
        let value = pick::value(data, options.value.as_deref(), &[row_column, column_column])?;
        let values: Vec<f64> = value.map_or_else(|| vec![1.0; data.rows()], |(_, values)| values.to_vec());
        let name = |column: usize| text::clean_line(&data.columns()[column].name);
        let rows = Side::of(data, row_column, &values);
        let columns = Side::of(data, column_column, &values);
        let mut cells = vec![vec![f64::NAN; columns.names.len()]; rows.names.len()];
        let mut left_out = 0;
        for (row, value) in values.iter().enumerate() {
            if !value.is_finite() {
                left_out += 1;
                continue;
            }
            let at = rows.index.get(&pick::shown(data, row_column, row));
            let Some((x, y)) = columns.index.get(&pick::shown(data, column_column, row)).zip(at) else { continue };
            let cell = &mut cells[*y][*x];
            *cell = if cell.is_nan() { *value } else { *cell + value };
        }
        let mut notes = Vec::new();
        for (side, name) in [(&rows, name(row_column)), (&columns, name(column_column))] {
            if side.folded > 0 {
                notes.push(format!("{name}: the {} smallest are one, \"other\".", number::count(side.folded)));
            }
        }
        notes.extend((left_out > 0).then(|| format!("Not shown: {} null or infinite.", number::count(left_out))));
        Ok(Matrix {
            rows,
            columns,
            cells,
            row_name: name(row_column),
            column_name: name(column_column),
            value_name: value.map_or("rows".to_owned(), |(column, _)| name(column)),
            notes,
        })
    }

    fn most(&self) -> f64 {
        self.cells.iter().flatten().map(|value| value.abs()).filter(|value| !value.is_nan()).fold(0.0, f64::max)
    }

    fn draw(&self, options: &MatrixOptions) -> String {
        let width = theme::usable_width(options.width);
        let inside = width - 2.0 * theme::PADDING;
        let mut svg = Svg::new(width);
        let y = draw_title(&mut svg, &options.title, inside);
        let style = TextStyle::LABEL;
        let widest = |names: &[String]| names.iter().map(|name| style.width_of(name)).fold(0.0, f64::max);
        let gutter = widest(&self.rows.names).min(LABEL_LIMIT).min(inside * 0.3);
        let left = theme::PADDING + gutter + 10.0;
        let room = width - theme::PADDING - left - 4.0;
        let cell = (room / self.columns.names.len() as f64).clamp(CELL.0.min(room / 2.0), CELL.1);
        // Names of columns stand upright where they do not fit side by side.
        let upright = widest(&self.columns.names) > cell - 6.0;
        let head = if upright { widest(&self.columns.names).min(120.0) + 8.0 } else { 18.0 };
        let heading = format!("{} by {}: {}", self.row_name, self.column_name, self.value_name);
        svg.text(theme::PADDING, y + 10.0, &TextStyle::MUTED.clip(&heading, inside), TextStyle::MUTED);
        let top = y + 18.0 + head;
        let most = self.most().max(f64::MIN_POSITIVE);
        for (x, name) in self.columns.names.iter().enumerate() {
            let middle = left + cell * (x as f64 + 0.5);
            if upright {
                svg.text_upwards(middle + 4.0, top - 6.0, &style.clip(name, 120.0), style);
            } else {
                svg.text_with_tooltip(middle, top - 6.0, name, style.anchored(Anchor::Middle), name);
            }
        }
        for (y, name) in self.rows.names.iter().enumerate() {
            let row_top = top + CELL_HEIGHT * y as f64;
            let label = style.clip(name, gutter);
            let style = style.anchored(Anchor::End);
            svg.text_with_tooltip(left - 6.0, row_top + CELL_HEIGHT / 2.0 + 4.0, &label, style, name);
            for (x, value) in self.cells[y].iter().enumerate() {
                let corner = (left + cell * x as f64 + 0.5, row_top + 0.5);
                let size = (cell - 1.0, CELL_HEIGHT - 1.0);
                if value.is_nan() {
                    svg.rect(corner, size, &format!("fill=\"{}\"", theme::STRIPE), None);
                    continue;
                }
                let strength = if *value == 0.0 { 0.0 } else { value.abs().ln_1p() / most.ln_1p() };
                let opacity = 0.1 + 0.75 * strength;
                let colour = if *value < 0.0 { theme::ANOMALY } else { theme::HEAT };
                let fill = format!("class=\"hb-cell\" fill=\"{colour}\" fill-opacity=\"{opacity:.2}\"");
                let shown = number::short(*value);
                let tooltip = format!("{name} × {}: {shown}", self.columns.names[x]);
                svg.rect(corner, size, &fill, Some(&tooltip));
                if style.width_of(&shown) <= cell - 4.0 {
                    let at = (left + cell * (x as f64 + 0.5), row_top + CELL_HEIGHT / 2.0 + 4.0);
                    svg.text_with_tooltip(at.0, at.1, &shown, style.anchored(Anchor::Middle), &tooltip);
                }
            }
        }
        let bottom = top + CELL_HEIGHT * self.rows.names.len() as f64 + 4.0;
        let end = draw_last(&mut svg, &self.notes, bottom, inside);
        svg.finish(end, &format!("{} matrix: {heading}", options.title))
    }

    fn text(&self, options: &MatrixOptions) -> String {
        const WIDTH: usize = 12;
        const COLUMNS: usize = 6;
        let mut lines = Vec::new();
        lines.extend((!options.title.trim().is_empty()).then(|| text::clean_line(&options.title)));
        lines.push(format!("{} by {}: {}", self.row_name, self.column_name, self.value_name));
        let shown = self.columns.names.len().min(COLUMNS);
        let line = |name: &str, cells: Vec<String>| {
            let cells: Vec<String> =
                cells.iter().map(|cell| format!("{:>WIDTH$}", plain::shortened(cell, WIDTH))).collect();
            format!("{}  {}", plain::padded(&plain::shortened(name, 28), 28), cells.join(" "))
        };
        lines.push(line("", self.columns.names[..shown].to_vec()));
        for (name, cells) in self.rows.names.iter().zip(&self.cells) {
            let cell = |value: &f64| if value.is_nan() { "·".to_owned() } else { number::short(*value) };
            lines.push(line(name, cells[..shown].iter().map(cell).collect()));
        }
        if shown < self.columns.names.len() {
            lines.push(format!("... and {} more columns", self.columns.names.len() - shown));
        }
        lines.extend(self.notes.iter().cloned());
        lines.join("\n")
    }
}
