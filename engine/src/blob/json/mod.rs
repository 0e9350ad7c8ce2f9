//! JSON lines to columns, with projection and conditions applied while a line is read.

mod cells;
mod condition;
mod scan;

pub(crate) use cells::{Cells, Texts, Values, Width, datetime};
pub(crate) use condition::{Compare, Condition};

use scan::{Guide, Problem, Raw, Step};

/// A type that a column was given, by KQL's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Declared {
    Bool,
    Int,
    Long,
    Real,
    String,
    Datetime,
    Timespan,
    Guid,
    Dynamic,
}

impl Declared {
    pub(crate) fn named(name: &str) -> Option<Declared> {
        Some(match name {
            "bool" | "boolean" => Declared::Bool,
            "int" => Declared::Int,
            "long" => Declared::Long,
            "real" | "double" => Declared::Real,
            "string" => Declared::String,
            "datetime" | "date" => Declared::Datetime,
            "timespan" | "time" => Declared::Timespan,
            "guid" | "uuid" => Declared::Guid,
            "dynamic" => Declared::Dynamic,
            _ => return None,
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Declared::Bool => "bool",
            Declared::Int => "int",
            Declared::Long => "long",
            Declared::Real => "real",
            Declared::String => "string",
            Declared::Datetime => "datetime",
            Declared::Timespan => "timespan",
            Declared::Guid => "guid",
            Declared::Dynamic => "dynamic",
        }
    }

    /// A column of so many nulls.
    pub(crate) fn empty(self, rows: usize) -> Values {
        match self {
            Declared::Bool => Values::Bool(vec![false; rows]),
            Declared::Int => Values::Int(vec![0; rows]),
            Declared::Long => Values::Long(vec![0; rows]),
            Declared::Real => Values::Real(vec![0.0; rows]),
            Declared::Datetime => Values::Datetime(vec![0; rows]),
            Declared::Timespan => Values::Timespan(vec![0; rows]),
            Declared::String | Declared::Guid => Values::Text(Texts::empty(rows)),
            Declared::Dynamic => Values::Dynamic(Texts::empty(rows)),
        }
    }
}

/// A column that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    /// `None`: as found
    pub(crate) declared: Option<Declared>,
}

/// What is read of each line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    pub(crate) columns: Vec<Wanted>,
    /// Other members become columns, too.
    pub(crate) open: bool,
    /// Rows that cannot meet all of these are left out: a column's place in `columns`, and what holds for its value.
    pub(crate) conditions: Vec<(usize, Condition)>,
}

/// What is done with a line that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BadLines {
    /// The read fails, naming file and line.
    #[default]
    Error,
    /// It is left out and counted.
    Skip,
    /// It is left out, counted, and kept beside the frame in a file.
    Quarantine,
}

/// A line that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bad {
    /// Counted from 0 in its part of the file
    pub(crate) line: u64,
    pub(crate) problem: String,
    /// As it stands, where it is to be kept
    pub(crate) bytes: Vec<u8>,
}

/// Some lines as columns.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    pub(crate) columns: Vec<(String, Cells)>,
    pub(crate) rows: usize,
    pub(crate) bad: Vec<Bad>,
}

/// Reads parts of files. It remembers the order of members, so one should read many.
pub(crate) struct Decoder<'s> {
    selection: &'s Selection,
    bad_lines: BadLines,
    guide: Guide,
}

impl<'s> Decoder<'s> {
    pub(crate) fn new(selection: &'s Selection, bad_lines: BadLines) -> Decoder<'s> {
        let names = selection.columns.iter().map(|column| column.name.as_str());
        Decoder { selection, bad_lines, guide: Guide::new(names, selection.open) }
    }

    /// Whole lines to columns. With [`BadLines::Error`] it ends at the first bad line.
    pub(crate) fn decode(&mut self, bytes: &[u8]) -> Decoded {
        let mut rows = Rows::new(self.selection);
        let mut bad = Vec::new();
        let mut slots = Vec::new();
        // Checked at once, which costs next to nothing; only a part that is not UTF-8 is checked by line.
        let text = std::str::from_utf8(bytes).ok();
        let mut start = 0;
        let mut line = 0;
        while start < bytes.len() {
            let end = memchr::memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |at| start + at);
            let read = match text {
                Some(text) => Ok(&text[start..end]),
                None => std::str::from_utf8(&bytes[start..end]),
            };
            let read =
                read.map_err(|error| format!("it is not UTF-8, from byte {} of the line on", error.valid_up_to() + 1));
            let outcome = read.and_then(|text| self.line(text, &mut slots, &mut rows));
            if let Err(problem) = outcome {
                let keep = self.bad_lines == BadLines::Quarantine;
                let bytes = if keep { bytes[start..end].to_vec() } else { Vec::new() };
                bad.push(Bad { line, problem, bytes });
                if self.bad_lines == BadLines::Error {
                    break;
                }
            }
            start = end + 1;
            line += 1;
        }
        rows.finish(&self.guide, bad)
    }

    fn line<'l>(&mut self, line: &'l str, slots: &mut Vec<Raw<'l>>, rows: &mut Rows<'_>) -> Result<(), Problem> {
        if line.bytes().all(|byte| byte.is_ascii_whitespace()) {
            return Ok(());
        }
        let conditions = &self.selection.conditions;
        let is_wanted = |slot: usize, raw: &Raw<'_>| {
            conditions.iter().all(|(at, condition)| *at != slot || condition.may_hold(raw))
        };
        match self.guide.read(line, slots, is_wanted)? {
            Step::Rejected => Ok(()),
            Step::Read => rows.push(slots),
        }
    }
}

struct Rows<'s> {
    wanted: &'s [Wanted],
    cells: Vec<Cells>,
    height: usize,
}

impl<'s> Rows<'s> {
    fn new(selection: &'s Selection) -> Rows<'s> {
        let cells = vec![Cells::default(); selection.columns.len()];
        Rows { wanted: &selection.columns, cells, height: 0 }
    }

    /// A row that does not fit leaves nothing behind.
    fn push(&mut self, slots: &[Raw<'_>]) -> Result<(), Problem> {
        while self.cells.len() < slots.len() {
            let mut cells = Cells::default();
            cells.fill(self.height);
            self.cells.push(cells);
        }
        for (at, (cells, raw)) in self.cells.iter_mut().zip(slots).enumerate() {
            let wanted = self.wanted.get(at);
            let pushed = match wanted.and_then(|wanted| wanted.declared) {
                Some(declared) => cells.push_declared(raw, declared),
                None => cells.push_found(raw),
            };
            if let Err(problem) = pushed {
                let height = self.height;
                self.cells.iter_mut().for_each(|cells| cells.truncate(height));
                return Err(wanted.map_or(problem.clone(), |wanted| format!("`{}`: {problem}", wanted.name)));
            }
        }
        self.height += 1;
        Ok(())
    }

    fn finish(mut self, guide: &Guide, bad: Vec<Bad>) -> Decoded {
        let names = guide.names();
        // A key that only a bad or rejected line has is no column.
        let columns = names.into_iter().zip(&mut self.cells).map(|(name, cells)| {
            cells.fill(self.height);
            cells.shrink();
            (name.to_owned(), std::mem::take(cells))
        });
        Decoded { columns: columns.collect(), rows: self.height, bad }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(columns: &[(&str, Option<Declared>)], open: bool) -> Selection {
        let columns = columns.iter().map(|(name, declared)| Wanted { name: (*name).to_owned(), declared: *declared });
        Selection { columns: columns.collect(), open, conditions: Vec::new() }
    }

    fn names(decoded: &Decoded) -> Vec<&str> {
        decoded.columns.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn members_become_columns_as_they_appear() {
        let selection = selection(&[], true);
        let mut decoder = Decoder::new(&selection, BadLines::Error);
        let decoded = decoder.decode(b"{\"a\":1}\r\n\n{\"b\":\"x\",\"a\":2}\n{\"c\":null}");
        assert!(decoded.bad.is_empty());
        assert_eq!((decoded.rows, names(&decoded)), (3, vec!["a", "b", "c"]));
        assert_eq!(decoded.columns[0].1.valid(), [true, true, false]);
        assert_eq!(decoded.columns[1].1.valid(), [false, true, false]);
    }

    #[test]
    fn a_bad_line_ends_or_is_left_out_with_its_number() {
        let text = b"{\"a\":1}\n{\"a\":\"x\",\"b\n{\"a\":3}\n\xff\n{\"a\":true}\n";
        let selection = selection(&[("a", Some(Declared::Int)), ("b", None)], false);
        let decoded = Decoder::new(&selection, BadLines::Error).decode(text);
        assert_eq!((decoded.rows, decoded.bad.len(), decoded.bad[0].line), (1, 1, 1));
        let decoded = Decoder::new(&selection, BadLines::Quarantine).decode(text);
        assert_eq!(decoded.rows, 2);
        let lines: Vec<u64> = decoded.bad.iter().map(|bad| bad.line).collect();
        assert_eq!(lines, [1, 3, 4]);
        assert_eq!(decoded.bad[1].bytes, b"\xff");
        assert!(decoded.bad[1].problem.contains("UTF-8") && decoded.bad[2].problem.contains("`a`: true is no int"));
        assert_eq!(decoded.columns[0].1.values, Values::Int(vec![1, 3]));
    }

    #[test]
    fn conditions_leave_rows_out() {
        let mut selection = selection(&[("id", None), ("name", None)], false);
        selection.conditions = vec![(0, Condition::Long(Compare::Equal, 7))];
        let decoded = Decoder::new(&selection, BadLines::Error)
            .decode(b"{\"id\":7,\"name\":\"a\"}\n{\"name\":\"b\",\"id\":8}\n{\"name\":\"c\"}\n{\"id\":\"7\"}");
        // Those that cannot be decided here stay.
        assert_eq!(decoded.rows, 3);
    }
}
