use std::fs::File;
use std::path::{Path, PathBuf};

use polars::prelude::*;

use crate::lock::WriteLock;
use crate::schema::{self, ColumnSchema, ColumnType, TableSchema};
use crate::segment::{self, SegmentName};
use crate::{Workspace, WorkspaceError};

/// What an append did.
#[derive(Clone, Debug, PartialEq)]
pub struct Appended {
    pub table: String,
    pub rows: usize,
    /// The table did not exist before.
    pub created: bool,
    /// Columns that the table did not have before; all of them when it was created.
    pub new_columns: Vec<String>,
}

pub(crate) fn append(
    workspace: &Workspace,
    table: &str,
    rows: DataFrame,
    columns: Vec<ColumnSchema>,
) -> Result<Appended, WorkspaceError> {
    let folder = workspace.table_folder(table)?;
    let new_columns = columns;
    let _lock = WriteLock::acquire(workspace.folder())?;
    std::fs::create_dir_all(&folder).map_err(|error| WorkspaceError::io("make the folder", &folder, error))?;
    let old = schema::read(&folder)?;
    let created = old.is_none();
    let mut merged = old.clone().unwrap_or(TableSchema { version: 1, columns: Vec::new() });
    let added = merge(&mut merged, new_columns, table)?;
    let rows = conform(rows, &merged)?;
    // The schema goes first: a segment with a column that the schema does not know would be unreadable.
    if !added.is_empty() || created {
        schema::write(&folder, &merged)?;
    }
    let height = rows.height();
    if let Err(error) = write_segment(&folder, rows) {
        // A table that has no rows yet should not stay behind as an empty shell.
        if created {
            let _ = std::fs::remove_file(folder.join(schema::FILE_NAME));
            let _ = std::fs::remove_dir(&folder);
        }
        return Err(error);
    }
    Ok(Appended { table: table.to_owned(), rows: height, created, new_columns: added })
}

/// Makes a table without rows, or adds columns to one that is there.
pub(crate) fn declare(
    workspace: &Workspace,
    table: &str,
    columns: Vec<ColumnSchema>,
) -> Result<Appended, WorkspaceError> {
    let folder = workspace.table_folder(table)?;
    let _lock = WriteLock::acquire(workspace.folder())?;
    std::fs::create_dir_all(&folder).map_err(|error| WorkspaceError::io("make the folder", &folder, error))?;
    let old = schema::read(&folder)?;
    let created = old.is_none();
    let mut merged = old.unwrap_or(TableSchema { version: 1, columns: Vec::new() });
    let added = merge(&mut merged, columns, table)?;
    if !added.is_empty() || created {
        schema::write(&folder, &merged)?;
        sync_folder(&folder)?;
    }
    Ok(Appended { table: table.to_owned(), rows: 0, created, new_columns: added })
}

pub(crate) fn columns_of(rows: &DataFrame) -> Result<Vec<ColumnSchema>, WorkspaceError> {
    let column = |(name, data_type): (&PlSmallStr, &DataType)| match ColumnType::of(data_type) {
        Some(column_type) => Ok(ColumnSchema { name: name.to_string(), column_type }),
        None => Err(WorkspaceError::Unsupported { column: name.to_string(), data_type: data_type.to_string() }),
    };
    rows.schema().iter().map(column).collect()
}

fn merge(schema: &mut TableSchema, new: Vec<ColumnSchema>, table: &str) -> Result<Vec<String>, WorkspaceError> {
    let mut added = Vec::new();
    for column in new {
        match schema.column(&column.name) {
            None => {
                added.push(column.name.clone());
                schema.columns.push(column);
            }
            Some(old) if widens(column.column_type, old.column_type) => {}
            Some(old) => {
                return Err(WorkspaceError::ColumnType {
                    table: table.to_owned(),
                    have: old.column_type.name().to_owned(),
                    new: column.column_type.name().to_owned(),
                    column: column.name,
                });
            }
        }
    }
    Ok(added)
}

/// May values of `new` be stored in a column of `old` without losing anything?
fn widens(new: ColumnType, old: ColumnType) -> bool {
    use ColumnType::{Dynamic, Guid, Int, Long, Real, String};
    new == old || matches!((new, old), (Int, Long | Real) | (String, Dynamic | Guid))
}

fn conform(rows: DataFrame, schema: &TableSchema) -> Result<DataFrame, WorkspaceError> {
    for column in rows.columns() {
        let is_dynamic = schema.column(column.name()).is_some_and(|known| known.column_type == ColumnType::Dynamic);
        let texts = column.str().ok().filter(|_| is_dynamic);
        let is_json = |text: &&str| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
        if let Some(text) = texts.and_then(|texts| texts.iter().flatten().find(|text| !is_json(text))) {
            let shown: String = text.chars().take(40).collect();
            let column = column.name().to_string();
            return Err(WorkspaceError::Value { column, column_type: "dynamic (JSON)", shown });
        }
    }
    let casts: Vec<Expr> = rows
        .schema()
        .iter_names()
        .filter_map(|name| schema.column(name).map(|column| (name, column.column_type.data_type())))
        .map(|(name, data_type)| col(name.clone()).strict_cast(data_type))
        .collect();
    rows.lazy()
        .select(casts)
        .collect()
        .map_err(|error| WorkspaceError::Write { path: PathBuf::new(), why: error.to_string() })
}

fn write_segment(folder: &Path, rows: DataFrame) -> Result<(), WorkspaceError> {
    write_named(folder, &SegmentName::single(next_number(folder)?).to_string(), rows)
}

/// Writes a segment so that it is either there as a whole or not at all.
pub(crate) fn write_named(folder: &Path, name: &str, mut rows: DataFrame) -> Result<(), WorkspaceError> {
    let path = folder.join(name);
    let temporary = folder.join(format!(".{name}.tmp"));
    let written = write_parquet(&temporary, &mut rows)
        .and_then(|()| std::fs::rename(&temporary, &path).map_err(|error| WorkspaceError::io("write", &path, error)))
        .and_then(|()| sync_folder(folder));
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

fn write_parquet(path: &Path, rows: &mut DataFrame) -> Result<(), WorkspaceError> {
    let file = File::create_new(path).map_err(|error| WorkspaceError::io("write", path, error))?;
    let sync = file.try_clone().map_err(|error| WorkspaceError::io("write", path, error))?;
    ParquetWriter::new(file)
        .finish(rows)
        .map_err(|error| WorkspaceError::Write { path: path.to_owned(), why: error.to_string() })?;
    sync.sync_all().map_err(|error| WorkspaceError::io("write", path, error))
}

/// The rename itself must survive a crash too.
fn sync_folder(folder: &Path) -> Result<(), WorkspaceError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| WorkspaceError::io("sync", folder, error))
}

fn next_number(folder: &Path) -> Result<u64, WorkspaceError> {
    let names = segment::all(folder)?;
    Ok(names.iter().map(|(name, _)| name.last).max().unwrap_or(0) + 1)
}
