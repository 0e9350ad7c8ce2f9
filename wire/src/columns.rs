//! A file of columns that the engine writes and a cell maps (or the other way round).
//!
//! Layout: a JSON header (`u64` length, then the bytes), then per column its buffers, each 8-byte aligned:
//! validity (one byte a row: 1 = value, 0 = null), then values. Fixed-width values are little-endian `i64`,
//! `f64` or one byte for Boolean; strings are `rows + 1` offsets (`u64`) and then UTF-8 bytes.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use memmap2::Mmap;
use serde::{Deserialize, Serialize};

use crate::DataType;

/// One column in memory; `None` is null.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    Bool(Vec<Option<bool>>),
    /// `Int32`, `Int64`, `Datetime` and `Duration` all travel as `i64`; the type says what it means.
    Int(DataType, Vec<Option<i64>>),
    Float(Vec<Option<f64>>),
    String(Vec<Option<String>>),
}

impl Column {
    pub fn len(&self) -> usize {
        match self {
            Column::Bool(values) => values.len(),
            Column::Int(_, values) => values.len(),
            Column::Float(values) => values.len(),
            Column::String(values) => values.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn data_type(&self) -> DataType {
        match self {
            Column::Bool(_) => DataType::Bool,
            Column::Int(data_type, _) => *data_type,
            Column::Float(_) => DataType::Float64,
            Column::String(_) => DataType::String,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Header {
    rows: usize,
    columns: Vec<(String, DataType)>,
}

/// Writes columns of equal length to `path`, readable by the owner only.
pub fn write(path: &Path, columns: &[(String, Column)]) -> io::Result<()> {
    let rows = columns.first().map_or(0, |(_, column)| column.len());
    if let Some((name, column)) = columns.iter().find(|(_, column)| column.len() != rows) {
        let message = format!("column `{name}` has {} rows, the first has {rows}", column.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let header =
        Header { rows, columns: columns.iter().map(|(name, column)| (name.clone(), column.data_type())).collect() };
    let mut out = Aligned { inner: BufWriter::new(create_private(path)?), written: 0 };
    let header = serde_json::to_vec(&header)?;
    out.bytes(&(header.len() as u64).to_le_bytes())?;
    out.bytes(&header)?;
    for (_, column) in columns {
        write_column(&mut out, column)?;
    }
    out.inner.flush()
}

fn write_column(out: &mut Aligned, column: &Column) -> io::Result<()> {
    match column {
        Column::Bool(values) => {
            out.validity(values.iter().map(Option::is_some))?;
            out.align()?;
            values.iter().try_for_each(|value| out.bytes(&[u8::from(value.unwrap_or_default())]))
        }
        Column::Int(_, values) => {
            out.validity(values.iter().map(Option::is_some))?;
            out.align()?;
            values.iter().try_for_each(|value| out.bytes(&value.unwrap_or_default().to_le_bytes()))
        }
        Column::Float(values) => {
            out.validity(values.iter().map(Option::is_some))?;
            out.align()?;
            values.iter().try_for_each(|value| out.bytes(&value.unwrap_or_default().to_le_bytes()))
        }
        Column::String(values) => {
            out.validity(values.iter().map(Option::is_some))?;
            out.align()?;
            let mut end = 0u64;
            out.bytes(&end.to_le_bytes())?;
            for value in values {
                end += value.as_deref().map_or(0, str::len) as u64;
                out.bytes(&end.to_le_bytes())?;
            }
            values.iter().flatten().try_for_each(|value| out.bytes(value.as_bytes()))
        }
    }
}

fn create_private(path: &Path) -> io::Result<File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

struct Aligned {
    inner: BufWriter<File>,
    written: usize,
}

impl Aligned {
    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len();
        self.inner.write_all(bytes)
    }

    fn align(&mut self) -> io::Result<()> {
        let padding = self.written.next_multiple_of(8) - self.written;
        self.bytes(&[0; 8][..padding])
    }

    fn validity(&mut self, mut valid: impl Iterator<Item = bool>) -> io::Result<()> {
        self.align()?;
        valid.try_for_each(|valid| self.bytes(&[u8::from(valid)]))
    }
}

/// A mapped column file. Values are read where they lie; only what is asked for is copied.
pub struct ColumnFile {
    map: Mmap,
    rows: usize,
    columns: Vec<MappedColumn>,
}

struct MappedColumn {
    name: String,
    data_type: DataType,
    validity: usize,
    values: usize,
    /// Start of the UTF-8 bytes of a string column.
    text: usize,
}

impl ColumnFile {
    /// Maps the file and checks that every buffer lies inside it.
    pub fn open(path: &Path) -> io::Result<ColumnFile> {
        let file = File::open(path)?;
        // SAFETY: the file was just written by the peer of this private socket and nobody changes it afterwards.
        let map = unsafe { Mmap::map(&file)? };
        let header_length = read_u64(&map, 0)? as usize;
        let header_bytes = map.get(8..8usize.saturating_add(header_length)).ok_or_else(cut_short)?;
        let header: Header = serde_json::from_slice(header_bytes)?;
        let mut offset = 8 + header_length;
        let mut columns = Vec::with_capacity(header.columns.len());
        for (name, data_type) in header.columns {
            let column = MappedColumn::locate(&map, name, data_type, header.rows, &mut offset)?;
            columns.push(column);
        }
        Ok(ColumnFile { map, rows: header.rows, columns })
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Names and types, in file order.
    pub fn columns(&self) -> impl Iterator<Item = (&str, DataType)> {
        self.columns.iter().map(|column| (column.name.as_str(), column.data_type))
    }

    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    pub fn data_type(&self, column: usize) -> DataType {
        self.columns[column].data_type
    }

    pub fn is_valid(&self, column: usize, row: usize) -> bool {
        row < self.rows && self.map[self.columns[column].validity + row] == 1
    }

    /// `None` when null or when the column is not Boolean.
    pub fn bool(&self, column: usize, row: usize) -> Option<bool> {
        let is_bool = self.columns[column].data_type == DataType::Bool;
        (is_bool && self.is_valid(column, row)).then(|| self.map[self.columns[column].values + row] != 0)
    }

    /// `None` when null or when the column does not hold integers.
    pub fn int(&self, column: usize, row: usize) -> Option<i64> {
        let mapped = &self.columns[column];
        let integral =
            !matches!(mapped.data_type, DataType::Bool | DataType::Float64 | DataType::String | DataType::Other);
        (integral && self.is_valid(column, row)).then(|| i64::from_le_bytes(self.eight(mapped.values + 8 * row)))
    }

    /// `None` when null or when the column does not hold floats.
    pub fn float(&self, column: usize, row: usize) -> Option<f64> {
        let mapped = &self.columns[column];
        let float = mapped.data_type == DataType::Float64;
        (float && self.is_valid(column, row)).then(|| f64::from_le_bytes(self.eight(mapped.values + 8 * row)))
    }

    /// `None` when null or when the column does not hold text.
    pub fn str(&self, column: usize, row: usize) -> Option<&str> {
        let mapped = &self.columns[column];
        if mapped.data_type != DataType::String || !self.is_valid(column, row) {
            return None;
        }
        let offset = |index: usize| u64::from_le_bytes(self.eight(mapped.values + 8 * index)) as usize;
        let bytes = self.map.get(mapped.text + offset(row)..mapped.text + offset(row + 1))?;
        std::str::from_utf8(bytes).ok()
    }

    /// Copies one column out.
    pub fn to_column(&self, column: usize) -> Column {
        let rows = 0..self.rows;
        match self.data_type(column) {
            DataType::Bool => Column::Bool(rows.map(|row| self.bool(column, row)).collect()),
            DataType::Float64 => Column::Float(rows.map(|row| self.float(column, row)).collect()),
            DataType::String | DataType::Other => {
                Column::String(rows.map(|row| self.str(column, row).map(str::to_owned)).collect())
            }
            integral => Column::Int(integral, rows.map(|row| self.int(column, row)).collect()),
        }
    }

    fn eight(&self, at: usize) -> [u8; 8] {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.map[at..at + 8]);
        bytes
    }
}

impl MappedColumn {
    fn locate(
        map: &Mmap,
        name: String,
        data_type: DataType,
        rows: usize,
        offset: &mut usize,
    ) -> io::Result<MappedColumn> {
        let mut take = |bytes: Option<usize>| -> io::Result<usize> {
            let start = offset.next_multiple_of(8);
            let end = bytes.and_then(|bytes| start.checked_add(bytes)).ok_or_else(cut_short)?;
            if end > map.len() {
                return Err(cut_short());
            }
            *offset = end;
            Ok(start)
        };
        let validity = take(Some(rows))?;
        let (values, text) = match data_type {
            DataType::Bool => (take(Some(rows))?, 0),
            DataType::String | DataType::Other => {
                let offsets = take(rows.checked_add(1).and_then(|entries| entries.checked_mul(8)))?;
                let text = offsets + 8 * (rows + 1);
                let length = read_u64(map, offsets + 8 * rows)? as usize;
                let end = text.checked_add(length).filter(|end| *end <= map.len()).ok_or_else(cut_short)?;
                *offset = end;
                (offsets, text)
            }
            _ => (take(rows.checked_mul(8))?, 0),
        };
        Ok(MappedColumn { name, data_type, validity, values, text })
    }
}

fn read_u64(map: &Mmap, at: usize) -> io::Result<u64> {
    let bytes = map.get(at..at + 8).ok_or_else(cut_short)?;
    Ok(u64::from_le_bytes(bytes.try_into().map_err(|_| cut_short())?))
}

fn cut_short() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the column file is cut short")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(columns: &[(String, Column)]) -> Vec<(String, Column)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("columns");
        write(&path, columns).unwrap();
        let file = ColumnFile::open(&path).unwrap();
        let names: Vec<String> = file.columns().map(|(name, _)| name.to_owned()).collect();
        names.into_iter().enumerate().map(|(index, name)| (name, file.to_column(index))).collect()
    }

    proptest! {
        #[test]
        fn every_column_comes_back_as_it_was(
            rows in proptest::collection::vec(
                (any::<Option<bool>>(), any::<Option<i64>>(), proptest::option::of(-1e300..1e300f64), any::<Option<String>>()),
                0..40,
            )
        ) {
            let columns = vec![
                ("b".to_owned(), Column::Bool(rows.iter().map(|row| row.0).collect())),
                ("t".to_owned(), Column::Int(DataType::Datetime, rows.iter().map(|row| row.1).collect())),
                ("s".to_owned(), Column::String(rows.iter().map(|row| row.3.clone()).collect())),
                ("f".to_owned(), Column::Float(rows.iter().map(|row| row.2).collect())),
            ];
            prop_assert_eq!(round_trip(&columns), columns);
        }

        #[test]
        fn a_damaged_file_is_an_error_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("damaged");
            std::fs::write(&path, &bytes).unwrap();
            let _ = ColumnFile::open(&path);
        }
    }

    #[test]
    fn columns_of_unequal_length_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let columns = [("a".to_owned(), Column::Bool(vec![None])), ("b".to_owned(), Column::Float(vec![]))];
        let error = write(&folder.path().join("x"), &columns).unwrap_err();
        assert!(error.to_string().contains("`b`"), "{error}");
    }
}
