use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

#[derive(Debug, Error)]
pub enum WorkspaceError {
    #[error("cannot {action} {}: {source}{}", path.display(), advice(source))]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("`{name}` cannot be a table name: {why}")]
    Name { name: String, why: &'static str },
    #[error("the schema file {} is damaged: {why}. The segments beside it are untouched; restore the file from a backup, or move it away to have it made anew by the next append", path.display())]
    Schema { path: PathBuf, why: String },
    #[error("segment {} of table `{table}` cannot be read: {why}. The other {intact} segment(s) are intact; move this file out of the folder to query them without its rows", path.display())]
    Segment { table: String, path: PathBuf, why: String, intact: usize },
    #[error(
        "column `{column}` of table `{table}` is {have}, the new rows have {new}: nothing was written. Convert the column, or write it under another name"
    )]
    ColumnType { table: String, column: String, have: String, new: String },
    #[error(
        "column `{column}` has type {data_type}, which a workspace table cannot hold: nothing was written. Convert it to text first"
    )]
    Unsupported { column: String, data_type: String },
    #[error("the column `{column}` is {column_type}, and `{shown}` is none: nothing was written")]
    Value { column: String, column_type: &'static str, shown: String },
    #[error("another process ({holder}) has been writing to {} for {seconds} s: nothing was written. Try again when it has ended", folder.display())]
    Locked { folder: PathBuf, holder: String, seconds: u64 },
    #[error("polars could not write {}: {why}. Nothing was added to the table{}", path.display(), if why.contains("No space") { ": free some disk space and run the cell again" } else { "" })]
    Write { path: PathBuf, why: String },
}

impl WorkspaceError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        WorkspaceError::Io { action, path: path.to_owned(), source }
    }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            ". Nothing was added to the table: free some disk space and run the cell again"
        }
        io::ErrorKind::PermissionDenied => ". Choose another folder with --workspace",
        _ => "",
    }
}
