//! The rows of a table, on all cores.
//!
//! Where a row begins cannot be known without reading all that stands before it, so later parts start at a guess: a
//! place that looks like a row and reads as one. A part counts only if the part before it ends exactly there; if not,
//! its work is thrown away and the reading goes on in order. So hostile data can cost time, never a wrong row.

use rayon::prelude::*;

use super::cells::{Dynamics, push};
use super::cursor::{Cursor, Raw};
use super::{DecodeError, Stop};
use crate::table::{ColumnType, Values};

/// Less than this is not worth a second core.
const SMALLEST_PART: usize = 1 << 20;
/// How many rows are read between two looks at the caller's wish to stop.
const ROWS_PER_LOOK: usize = 512;
/// How much of a cell an error shows.
const SHOWN: usize = 60;

/// What the rows are read into.
pub(super) struct Layout<'a> {
    pub(super) table: &'a str,
    pub(super) columns: &'a [(String, ColumnType)],
    pub(super) dynamics: Dynamics,
}

/// Rows that were read.
pub(super) struct Rows<'a> {
    pub(super) columns: Vec<Values>,
    pub(super) rows: usize,
    /// Objects among the rows: Kusto puts there what stopped the query.
    pub(super) errors: Vec<&'a str>,
    end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Behind the bracket that closes the rows.
    Array(usize),
    /// At the first row that belongs to the next part.
    Row(usize),
}

/// Reads the rows whose opening bracket has just been read, and leaves the cursor behind the closing one.
pub(super) fn read<'a>(
    text: &'a str,
    cursor: &mut Cursor<'a>,
    layout: &Layout<'_>,
    stop: Stop<'_>,
) -> Result<Rows<'a>, DecodeError> {
    if cursor.takes(b']') {
        return Ok(Rows::new(layout, End::Array(cursor.at)));
    }
    let starts = guess_parts(text, cursor.at, layout);
    let mut parts = starts
        .par_iter()
        .enumerate()
        .map(|(index, start)| read_part(text, *start, starts.get(index + 1).copied(), layout, stop))
        .collect::<Vec<_>>()
        .into_iter();
    // There is always a first part: it starts where the rows do.
    let mut read = parts.next().ok_or(DecodeError::Truncated { at: text.len() })??;
    for (start, part) in starts[1..].iter().zip(parts) {
        let End::Row(reached) = read.end else { break };
        if reached == *start {
            read.append(part)?;
        } else {
            read.append(read_part(text, reached, None, layout, stop))?;
        }
    }
    match read.end {
        End::Array(at) => {
            cursor.at = at;
            Ok(read)
        }
        End::Row(at) => Err(DecodeError::NotJson { at, what: "the rows do not end".to_owned() }),
    }
}

/// Where parts may begin; the first is `first`.
fn guess_parts(text: &str, first: usize, layout: &Layout<'_>) -> Vec<usize> {
    let parts = rayon::current_num_threads().min((text.len() - first) / SMALLEST_PART).max(1);
    let size = (text.len() - first) / parts;
    let mut starts = vec![first];
    for part in 1..parts {
        let from = first + part * size;
        let until = (from + SMALLEST_PART).min(text.len());
        let mut at = from;
        while let Some(guess) = Cursor::next_row(text, at, until) {
            if reads_as_row(text, guess, layout) {
                starts.push(guess);
                break;
            }
            at = guess;
        }
    }
    starts
}

fn reads_as_row(text: &str, at: usize, layout: &Layout<'_>) -> bool {
    let mut trial = Rows::new(layout, End::Row(at));
    let mut cursor = Cursor::new(text, at);
    trial.row(&mut cursor, layout).is_ok() && matches!(cursor.peek(), Some(b',' | b']'))
}

/// Reads from a row's start to the first row at or after `until`, or to the end of the rows.
fn read_part<'a>(
    text: &'a str,
    start: usize,
    until: Option<usize>,
    layout: &Layout<'_>,
    stop: Stop<'_>,
) -> Result<Rows<'a>, DecodeError> {
    let mut read = Rows::new(layout, End::Row(start));
    let mut cursor = Cursor::new(text, start);
    loop {
        if read.rows.is_multiple_of(ROWS_PER_LOOK) && stop() {
            return Err(DecodeError::Cancelled);
        }
        if cursor.peek() == Some(b'{') {
            read.errors.push(cursor.skip()?);
        } else {
            read.row(&mut cursor, layout)?;
        }
        if !cursor.more(b']')? {
            read.end = End::Array(cursor.at);
            return Ok(read);
        }
        cursor.space();
        if until.is_some_and(|until| cursor.at >= until) {
            read.end = End::Row(cursor.at);
            return Ok(read);
        }
    }
}

impl<'a> Rows<'a> {
    fn new(layout: &Layout<'_>, end: End) -> Self {
        let columns = layout.columns.iter().map(|(_, kind)| Values::new(*kind)).collect();
        Self { columns, rows: 0, errors: Vec::new(), end }
    }

    fn row(&mut self, cursor: &mut Cursor<'a>, layout: &Layout<'_>) -> Result<(), DecodeError> {
        cursor.expect(b'[')?;
        for (index, values) in self.columns.iter_mut().enumerate() {
            if index > 0 {
                cursor.expect(b',').map_err(|error| layout.short_row(self.rows, index, error))?;
            }
            let raw = cursor.value().map_err(|error| layout.short_row(self.rows, index, error))?;
            push(values, raw, layout.dynamics).map_err(|()| layout.not_of_type(self.rows, index, raw))?;
        }
        if !cursor.takes(b']') {
            return Err(if cursor.peek().is_none() {
                cursor.wrong("")
            } else {
                DecodeError::Shape(format!(
                    "row {} of the table `{}` has more values than its {} columns",
                    self.rows + 1,
                    layout.table,
                    layout.columns.len()
                ))
            });
        }
        self.rows += 1;
        Ok(())
    }

    fn append(&mut self, part: Result<Rows<'a>, DecodeError>) -> Result<(), DecodeError> {
        let part = part.map_err(|error| error.behind(self.rows))?;
        for (mine, theirs) in self.columns.iter_mut().zip(part.columns) {
            mine.append(theirs);
        }
        self.rows += part.rows;
        self.errors.extend(part.errors);
        self.end = part.end;
        Ok(())
    }
}

impl Layout<'_> {
    fn not_of_type(&self, row: usize, column: usize, raw: Raw<'_>) -> DecodeError {
        let text = match raw {
            Raw::Null => "null".to_owned(),
            Raw::Bool(value) => value.to_string(),
            Raw::Number(text) | Raw::Nested(text) => text.to_owned(),
            Raw::Text(text, _) => format!("\"{text}\""),
        };
        let (name, kind) = &self.columns[column];
        DecodeError::Cell {
            table: self.table.to_owned(),
            row: row + 1,
            column: name.clone(),
            kind: kind.name(),
            text: text.chars().take(SHOWN).collect(),
        }
    }

    /// A row that closes early has its own message; any other fault keeps its own.
    fn short_row(&self, row: usize, column: usize, error: DecodeError) -> DecodeError {
        match error {
            DecodeError::NotJson { at, .. } => DecodeError::NotJson {
                at,
                what: format!(
                    "value {} of {} is expected in row {} of the table `{}`",
                    column + 1,
                    self.columns.len(),
                    row + 1,
                    self.table
                ),
            },
            other => other,
        }
    }
}
