//! The schema file: what a table's columns are, whichever segments hold them.

use std::io::Write;
use std::path::Path;

use polars::prelude::{DataType, PlSmallStr, Schema, TimeUnit};
use serde::{Deserialize, Serialize};

use crate::WorkspaceError;

pub(crate) const FILE_NAME: &str = "schema.json";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableSchema {
    /// Format of this file and of the segments beside it.
    pub version: u32,
    pub columns: Vec<ColumnSchema>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnSchema {
    pub name: String,
    #[serde(rename = "type")]
    pub column_type: ColumnType,
}

/// KQL's column types, as the Log Analytics schema names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnType {
    Bool,
    Int,
    Long,
    Real,
    String,
    Datetime,
    Timespan,
    /// JSON text; null for JSON null
    Dynamic,
    /// Lower-case text
    Guid,
}

impl ColumnType {
    pub(crate) fn of(data_type: &DataType) -> Option<ColumnType> {
        Some(match data_type {
            DataType::Boolean => ColumnType::Bool,
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => ColumnType::Int,
            DataType::Int64 | DataType::UInt32 => ColumnType::Long,
            DataType::Float32 | DataType::Float64 => ColumnType::Real,
            DataType::String | DataType::Null => ColumnType::String,
            DataType::Datetime(_, _) | DataType::Date => ColumnType::Datetime,
            DataType::Duration(_) => ColumnType::Timespan,
            _ => return None,
        })
    }

    pub(crate) fn data_type(self) -> DataType {
        match self {
            ColumnType::Bool => DataType::Boolean,
            ColumnType::Int => DataType::Int32,
            ColumnType::Long => DataType::Int64,
            ColumnType::Real => DataType::Float64,
            ColumnType::String | ColumnType::Dynamic | ColumnType::Guid => DataType::String,
            ColumnType::Datetime => DataType::Datetime(TimeUnit::Nanoseconds, None),
            ColumnType::Timespan => DataType::Duration(TimeUnit::Nanoseconds),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            ColumnType::Bool => "bool",
            ColumnType::Int => "int",
            ColumnType::Long => "long",
            ColumnType::Real => "real",
            ColumnType::String => "string",
            ColumnType::Datetime => "datetime",
            ColumnType::Timespan => "timespan",
            ColumnType::Dynamic => "dynamic",
            ColumnType::Guid => "guid",
        }
    }
}

impl TableSchema {
    pub(crate) fn to_polars(&self) -> Schema {
        let field = |column: &ColumnSchema| (PlSmallStr::from_str(&column.name), column.column_type.data_type());
        self.columns.iter().map(field).collect()
    }

    pub fn column(&self, name: &str) -> Option<&ColumnSchema> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// `None` when the table does not exist.
pub(crate) fn read(folder: &Path) -> Result<Option<TableSchema>, WorkspaceError> {
    let path = folder.join(FILE_NAME);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(WorkspaceError::io("read", &path, error)),
    };
    let schema: TableSchema = serde_json::from_slice(&text)
        .map_err(|error| WorkspaceError::Schema { path: path.clone(), why: error.to_string() })?;
    if schema.version != 1 {
        let why = format!("it has version {}, this huntbook knows version 1", schema.version);
        return Err(WorkspaceError::Schema { path, why });
    }
    Ok(Some(schema))
}

/// Replaces the file atomically.
pub(crate) fn write(folder: &Path, schema: &TableSchema) -> Result<(), WorkspaceError> {
    let path = folder.join(FILE_NAME);
    let temporary = folder.join(format!(".schema-{}.tmp", uuid::Uuid::new_v4()));
    let text = serde_json::to_vec_pretty(schema).map_err(|error| WorkspaceError::io("write", &path, error.into()))?;
    let written = std::fs::File::create_new(&temporary)
        .and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&temporary, &path));
    written.map_err(|error| {
        let _ = std::fs::remove_file(&temporary);
        WorkspaceError::io("write", &path, error)
    })
}
