//! What charts are drawn of: named columns of equal length, without any data frame library.

use crate::PlotError;

/// A named column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name, shown in axis titles and legends.
    pub name: String,
    /// Its values, one per row.
    pub values: Values,
}

/// The values of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Missing values are NaN.
    Numbers(Vec<f64>),
    /// Microseconds since 1970 in UTC; missing values are `None`.
    Times(Vec<Option<i64>>),
    /// Anything else, as text.
    Texts(Vec<String>),
}

impl Values {
    /// The number of rows.
    pub fn len(&self) -> usize {
        match self {
            Values::Numbers(values) => values.len(),
            Values::Times(values) => values.len(),
            Values::Texts(values) => values.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value as a reader wants it; `None` if it is missing.
    pub(crate) fn shown(&self, row: usize) -> Option<String> {
        match self {
            Values::Numbers(values) => Some(values[row]).filter(|value| !value.is_nan()).map(|value| {
                // No thousands separators: the number may be an identifier.
                if value.abs() < 1e15 { value.to_string() } else { crate::number::short(value) }
            }),
            Values::Times(values) => values[row].map(crate::axis::time::full),
            Values::Texts(values) => Some(values[row].clone()),
        }
    }

    /// The value as a position on an axis; NaN if it has none.
    pub(crate) fn position(&self, row: usize) -> f64 {
        match self {
            Values::Numbers(values) => values[row],
            Values::Times(values) => values[row].map_or(f64::NAN, |value| value as f64),
            Values::Texts(_) => f64::NAN,
        }
    }
}

/// Rows to draw.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChartData {
    columns: Vec<Column>,
    rows: usize,
}

impl ChartData {
    /// Columns side by side.
    ///
    /// # Errors
    /// [`PlotError::UnevenColumns`] if one has another length than the first.
    pub fn new(columns: Vec<Column>) -> Result<ChartData, PlotError> {
        let rows = columns.first().map_or(0, |column| column.values.len());
        match columns.iter().find(|column| column.values.len() != rows) {
            Some(column) => Err(PlotError::UnevenColumns {
                column: crate::text::clean_line(&column.name),
                rows: column.values.len(),
                expected: rows,
            }),
            None => Ok(ChartData { columns, rows }),
        }
    }

    /// The columns in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The index of the column with this name.
    ///
    /// # Errors
    /// [`PlotError::UnknownColumn`] names those there are.
    pub(crate) fn index_of(&self, name: &str) -> Result<usize, PlotError> {
        self.columns.iter().position(|column| column.name == name).ok_or_else(|| PlotError::UnknownColumn {
            name: crate::text::clean_line(name),
            known: self
                .columns
                .iter()
                .map(|column| crate::text::clean_line(&column.name))
                .collect::<Vec<_>>()
                .join(", "),
        })
    }

    /// The index of the first of these names that a column has.
    pub(crate) fn find(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|name| self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name)))
    }
}

/// A drawn picture: for a page, and for a terminal or a screen reader.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// One self-contained `<svg>` element.
    pub svg: String,
    /// Lines of plain text without control characters.
    pub text: String,
}
