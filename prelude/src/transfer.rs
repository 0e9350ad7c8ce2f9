//! Rows and columns between Rust values and column files.

use std::path::PathBuf;

use huntbook_wire::DataType;
use huntbook_wire::columns::{Column, ColumnFile};
use serde::Serialize;
use serde::de::value::{BorrowedStrDeserializer, StrDeserializer};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::datetime::{DATETIME_KEY, DURATION_KEY, Datetime, Duration, with_types_kept};
use crate::{Error, Result};

/// A file in memory where the system has it, private to this user, removed by whoever reads it.
pub(crate) fn transfer_path() -> PathBuf {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let folder = std::env::var_os("HUNTBOOK_TRANSFER_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    folder.join(format!("cell-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// A Rust type that a column can be read as.
pub trait FromColumn: Sized {
    /// What to say when the column is of another type.
    const EXPECTED: &'static str;
    fn accepts(data_type: DataType) -> bool;
    /// `None` for null.
    fn at(file: &ColumnFile, column: usize, row: usize) -> Option<Self>;
    /// Value for a null cell; `None` makes a null an error.
    fn null() -> Option<Self> {
        None
    }
}

macro_rules! from_column {
    ($($type:ty, $expected:literal, $accepts:pat, $read:expr;)*) => { $(
        impl FromColumn for $type {
            const EXPECTED: &'static str = $expected;
            fn accepts(data_type: DataType) -> bool { matches!(data_type, $accepts) }
            fn at(file: &ColumnFile, column: usize, row: usize) -> Option<Self> {
                let read: fn(&ColumnFile, usize, usize) -> Option<Self> = $read;
                read(file, column, row)
            }
        })* };
}

from_column! {
    f64, "a number", DataType::Float64 | DataType::Int32 | DataType::Int64,
        |file, column, row| file.float(column, row).or_else(|| file.int(column, row).map(|value| value as f64));
    i64, "an integer", DataType::Int32 | DataType::Int64, |file, column, row| file.int(column, row);
    i32, "a 32-bit integer", DataType::Int32,
        |file, column, row| file.int(column, row).and_then(|value| i32::try_from(value).ok());
    bool, "a Boolean", DataType::Bool, |file, column, row| file.bool(column, row);
    String, "text", DataType::String, |file, column, row| file.str(column, row).map(str::to_owned);
    Datetime, "a date-time", DataType::Datetime, |file, column, row| file.int(column, row).map(Datetime);
    Duration, "a time span", DataType::Duration, |file, column, row| file.int(column, row).map(Duration);
}

impl<T: FromColumn> FromColumn for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;
    fn accepts(data_type: DataType) -> bool {
        T::accepts(data_type)
    }
    fn at(file: &ColumnFile, column: usize, row: usize) -> Option<Self> {
        T::at(file, column, row).map(Some)
    }
    fn null() -> Option<Self> {
        Some(None)
    }
}

pub(crate) fn column<T: FromColumn>(file: &ColumnFile, name: &str) -> Result<Vec<T>> {
    let index =
        file.index_of(name).ok_or_else(|| Error::new("ColumnError", format!("no column `{name}` came back")))?;
    let data_type = file.data_type(index);
    if !T::accepts(data_type) {
        let message = format!("column `{name}` is {data_type:?}, not {}", T::EXPECTED);
        return Err(Error::new("ColumnError", message));
    }
    let value = |row| T::at(file, index, row).or_else(T::null).ok_or_else(|| null_value(name, row));
    (0..file.rows()).map(value).collect()
}

fn null_value(name: &str, row: usize) -> Error {
    Error::new("ColumnError", format!("column `{name}` is null in row {row}: read it as an Option, or fill_null first"))
}

/// One row as `T`.
pub(crate) fn row<T: DeserializeOwned>(file: &ColumnFile, row: usize) -> Result<T> {
    T::deserialize(RowDeserializer { file, row })
        .map_err(|error| Error::new("ColumnError", format!("row {row}: {error}")))
}

/// The fields of a struct, asked of serde without a value; empty (all columns) for maps and the like.
pub(crate) fn field_names<T: DeserializeOwned>() -> Vec<String> {
    let mut names = Vec::new();
    let _ = T::deserialize(FieldNames(&mut names));
    names
}

type JsonError = serde::de::value::Error;

struct FieldNames<'a>(&'a mut Vec<String>);

impl<'de> Deserializer<'de> for FieldNames<'_> {
    type Error = JsonError;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> std::result::Result<V::Value, JsonError> {
        Err(serde::de::Error::custom("only the names were asked for"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> std::result::Result<V::Value, JsonError> {
        self.0.extend(fields.iter().map(|field| (*field).to_owned()));
        Err(serde::de::Error::custom("only the names were asked for"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct RowDeserializer<'a> {
    file: &'a ColumnFile,
    row: usize,
}

impl<'de, 'a: 'de> Deserializer<'de> for RowDeserializer<'a> {
    type Error = JsonError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> std::result::Result<V::Value, JsonError> {
        visitor.visit_map(RowAccess { file: self.file, row: self.row, next: 0, columns: self.file.columns().count() })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct RowAccess<'a> {
    file: &'a ColumnFile,
    row: usize,
    next: usize,
    columns: usize,
}

impl<'de, 'a: 'de> MapAccess<'de> for RowAccess<'a> {
    type Error = JsonError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> std::result::Result<Option<K::Value>, JsonError> {
        if self.next == self.columns {
            return Ok(None);
        }
        let name = self.file.columns().nth(self.next).map_or("", |(name, _)| name);
        let key: BorrowedStrDeserializer<'_, JsonError> = BorrowedStrDeserializer::new(name);
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> std::result::Result<S::Value, JsonError> {
        let column = self.next;
        self.next += 1;
        let cell = CellDeserializer { file: self.file, column, row: self.row };
        seed.deserialize(cell).map_err(|error| {
            let name = self.file.columns().nth(column).map_or("", |(name, _)| name);
            serde::de::Error::custom(format!("column `{name}`: {error}"))
        })
    }
}

struct CellDeserializer<'a> {
    file: &'a ColumnFile,
    column: usize,
    row: usize,
}

impl<'de, 'a: 'de> Deserializer<'de> for CellDeserializer<'a> {
    type Error = JsonError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> std::result::Result<V::Value, JsonError> {
        let (file, column, row) = (self.file, self.column, self.row);
        if !file.is_valid(column, row) {
            return visitor.visit_unit();
        }
        match file.data_type(column) {
            DataType::Bool => visitor.visit_bool(file.bool(column, row).unwrap_or_default()),
            DataType::Float64 => visitor.visit_f64(file.float(column, row).unwrap_or_default()),
            DataType::String | DataType::Other => {
                let text: StrDeserializer<'_, JsonError> =
                    file.str(column, row).unwrap_or_default().into_deserializer();
                text.deserialize_any(visitor)
            }
            _ => visitor.visit_i64(file.int(column, row).unwrap_or_default()),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> std::result::Result<V::Value, JsonError> {
        if self.file.is_valid(self.column, self.row) { visitor.visit_some(self) } else { visitor.visit_none() }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> std::result::Result<V::Value, JsonError> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// Whole columns, for [`crate::Frame::from_columns`].
pub trait IntoColumn {
    fn into_column(self: Box<Self>) -> Column;
}

macro_rules! into_column {
    ($($type:ty => $value:ident $column:expr;)*) => { $(
        impl IntoColumn for Vec<$type> {
            fn into_column(self: Box<Self>) -> Column {
                let $value = self.into_iter().map(Some);
                $column
            }
        }
        impl IntoColumn for Vec<Option<$type>> {
            fn into_column(self: Box<Self>) -> Column {
                let $value = self.into_iter();
                $column
            }
        })* };
}

into_column! {
    f64 => values Column::Float(values.collect());
    i64 => values Column::Int(DataType::Int64, values.collect());
    i32 => values Column::Int(DataType::Int32, values.map(|value| value.map(i64::from)).collect());
    bool => values Column::Bool(values.collect());
    String => values Column::String(values.collect());
    &str => values Column::String(values.map(|value| value.map(str::to_owned)).collect());
    Datetime => values Column::Int(DataType::Datetime, values.map(|value| value.map(|value| value.0)).collect());
    Duration => values Column::Int(DataType::Duration, values.map(|value| value.map(|value| value.0)).collect());
}

/// Turns rows into columns. The type of a column is that of its first value that is not null; a value that does
/// not fit is an error that names row and column.
pub(crate) fn columns_of<T: Serialize>(rows: impl IntoIterator<Item = T>) -> Result<Vec<(String, Column)>> {
    let rows: Vec<Map<String, Value>> =
        with_types_kept(|| rows.into_iter().enumerate().map(object).collect::<Result<_>>())?;
    let mut names: Vec<String> = Vec::new();
    for row in &rows {
        for name in row.keys() {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
    }
    names.into_iter().map(|name| column_of(&rows, &name).map(|column| (name, column))).collect()
}

fn object<T: Serialize>((index, row): (usize, T)) -> Result<Map<String, Value>> {
    match serde_json::to_value(row) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(other) => {
            let message =
                format!("row {index} is {other}: frame_of takes structs or maps, whose fields become columns");
            Err(Error::new("ColumnError", message))
        }
        Err(error) => Err(Error::new("ColumnError", format!("row {index}: {error}"))),
    }
}

fn column_of(rows: &[Map<String, Value>], name: &str) -> Result<Column> {
    let values = || rows.iter().map(|row| row.get(name).unwrap_or(&Value::Null));
    let Some(first) = values().find(|value| !value.is_null()) else {
        return Ok(Column::String(vec![None; rows.len()]));
    };
    let mismatch = |row: usize, value: &Value| {
        Error::new(
            "ColumnError",
            format!("column `{name}`: row {row} is {value}, of another type than the rows before"),
        )
    };
    let collect_ints = |data_type: DataType, key: &str| -> Result<Column> {
        let ints = values().enumerate().map(|(row, value)| match value {
            Value::Null => Ok(None),
            other => other.get(key).and_then(Value::as_i64).map(Some).ok_or_else(|| mismatch(row, other)),
        });
        Ok(Column::Int(data_type, ints.collect::<Result<_>>()?))
    };
    match first {
        Value::Bool(_) => {
            let bools = values().enumerate().map(|(row, value)| match value {
                Value::Null => Ok(None),
                other => other.as_bool().map(Some).ok_or_else(|| mismatch(row, other)),
            });
            Ok(Column::Bool(bools.collect::<Result<_>>()?))
        }
        Value::Number(_) if values().all(|value| value.is_null() || value.as_i64().is_some()) => {
            Ok(Column::Int(DataType::Int64, values().map(Value::as_i64).collect()))
        }
        Value::Number(_) => {
            let floats = values().enumerate().map(|(row, value)| match value {
                Value::Null => Ok(None),
                other => other.as_f64().map(Some).ok_or_else(|| mismatch(row, other)),
            });
            Ok(Column::Float(floats.collect::<Result<_>>()?))
        }
        Value::Object(fields) if fields.contains_key(DATETIME_KEY) => collect_ints(DataType::Datetime, DATETIME_KEY),
        Value::Object(fields) if fields.contains_key(DURATION_KEY) => collect_ints(DataType::Duration, DURATION_KEY),
        // Lists and nested structs are KQL's dynamic: JSON text.
        Value::Array(_) | Value::Object(_) => {
            Ok(Column::String(values().map(|value| (!value.is_null()).then(|| value.to_string())).collect()))
        }
        Value::String(_) => {
            let texts = values().enumerate().map(|(row, value)| match value {
                Value::Null => Ok(None),
                other => other.as_str().map(|text| Some(text.to_owned())).ok_or_else(|| mismatch(row, other)),
            });
            Ok(Column::String(texts.collect::<Result<_>>()?))
        }
        Value::Null => Ok(Column::String(vec![None; rows.len()])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Access {
        user: String,
        score: Option<f64>,
        at: Datetime,
        hits: i64,
    }

    fn accesses() -> Vec<Access> {
        vec![
            Access { user: "ann".into(), score: Some(1.5), at: Datetime(7), hits: 3 },
            Access { user: "bob \"x\"".into(), score: None, at: Datetime(-7), hits: -4 },
        ]
    }

    fn file(columns: &[(String, Column)]) -> ColumnFile {
        let path = transfer_path();
        huntbook_wire::columns::write(&path, columns).unwrap();
        let file = ColumnFile::open(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        file
    }

    #[test]
    fn rows_survive_the_way_to_the_engine_and_back() {
        let file = file(&columns_of(accesses()).unwrap());
        assert_eq!(file.columns().find(|(name, _)| *name == "at").unwrap().1, DataType::Datetime);
        let back: Vec<Access> = (0..file.rows()).map(|index| row(&file, index).unwrap()).collect();
        assert_eq!(back, accesses());
    }

    #[test]
    fn a_null_in_a_plain_column_names_row_and_column() {
        let file = file(&columns_of(accesses()).unwrap());
        let error = column::<f64>(&file, "score").unwrap_err().to_string();
        assert!(error.contains("`score`") && error.contains("row 1"), "{error}");
        assert_eq!(column::<Option<f64>>(&file, "score").unwrap(), [Some(1.5), None]);
    }

    #[test]
    fn a_column_of_another_type_is_an_error() {
        let file = file(&columns_of(accesses()).unwrap());
        assert!(column::<String>(&file, "at").unwrap_err().to_string().contains("Datetime"));
    }

    #[test]
    fn only_the_fields_of_a_struct_are_asked_for() {
        assert_eq!(field_names::<Access>(), ["user", "score", "at", "hits"]);
        assert!(field_names::<std::collections::HashMap<String, Value>>().is_empty());
    }

    #[test]
    fn rows_of_mixed_types_are_refused_by_place() {
        let rows = [serde_json::json!({"a": 1}), serde_json::json!({"a": "x"})];
        let error = columns_of(rows).unwrap_err().to_string();
        assert!(error.contains("`a`") && error.contains("row 1"), "{error}");
    }
}
