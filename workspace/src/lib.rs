//! The local workspace: tables of Parquet segments on disk.
//!
//! ```text
//! DIR/.lock                                   held while rows are appended
//! DIR/tables/SecurityEvent/schema.json        column names and types, written before the first segment
//! DIR/tables/SecurityEvent/000001-....parquet one segment per append, never changed afterwards
//! ```
//!
//! A segment is written under a temporary name, synced, renamed and its folder synced before an append returns:
//! what was acknowledged survives a crash, and a half-written segment is never visible. Readers take no lock.

mod append;
mod compact;
mod error;
mod lock;
mod name;
mod scan;
mod schema;
mod segment;
pub mod server;

use std::path::{Path, PathBuf};

use polars::prelude::{DataFrame, LazyFrame};

pub use append::Appended;
pub use error::WorkspaceError;
pub use scan::TableSize;
pub use schema::{ColumnSchema, ColumnType, TableSchema};

/// A workspace folder. Opening one costs nothing; several processes may use the same folder.
#[derive(Clone, Debug)]
pub struct Workspace {
    folder: PathBuf,
}

impl Workspace {
    /// Opens the folder, making it when it does not exist.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Workspace, WorkspaceError> {
        let folder = folder.into();
        let tables = folder.join("tables");
        std::fs::create_dir_all(&tables).map_err(|error| WorkspaceError::io("make the folder", &tables, error))?;
        Ok(Workspace { folder })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Names of the tables, sorted.
    pub fn table_names(&self) -> Result<Vec<String>, WorkspaceError> {
        let tables = self.folder.join("tables");
        let entries = std::fs::read_dir(&tables).map_err(|error| WorkspaceError::io("list", &tables, error))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| WorkspaceError::io("list", &tables, error))?;
            if entry.path().join(schema::FILE_NAME).exists()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The columns of a table; `None` when there is no such table.
    pub fn schema(&self, table: &str) -> Result<Option<TableSchema>, WorkspaceError> {
        schema::read(&self.table_folder(table)?)
    }

    /// The rows of a table, read lazily; `None` when there is no such table.
    pub fn scan(&self, table: &str) -> Result<Option<LazyFrame>, WorkspaceError> {
        scan::scan(&self.table_folder(table)?, table)
    }

    /// Reads every segment of a table to its end; the error names the first damaged one. For telling why a query
    /// failed: it reads everything.
    pub fn verify(&self, table: &str) -> Result<(), WorkspaceError> {
        scan::verify(&self.table_folder(table)?, table)
    }

    /// Appends rows as one segment. New columns are added to the table; a column whose type differs from the
    /// table's is refused, and nothing is written then. When this returns, the rows are on disk.
    pub fn append(&self, table: &str, rows: DataFrame) -> Result<Appended, WorkspaceError> {
        let columns = append::columns_of(&rows)?;
        append::append(self, table, rows, columns)
    }

    /// As [`Workspace::append`], with the KQL types of the columns: text alone does not tell that it is `dynamic` or
    /// `guid`. `columns` are those of `rows`, in any order.
    pub fn append_typed(
        &self,
        table: &str,
        rows: DataFrame,
        columns: Vec<ColumnSchema>,
    ) -> Result<Appended, WorkspaceError> {
        append::append(self, table, rows, columns)
    }

    /// Makes a table without rows; adds the columns that a table of this name lacks.
    pub fn declare(&self, table: &str, columns: Vec<ColumnSchema>) -> Result<Appended, WorkspaceError> {
        append::declare(self, table, columns)
    }

    /// Removes a table and its rows. `false`: there was no such table.
    pub fn drop_table(&self, table: &str) -> Result<bool, WorkspaceError> {
        compact::drop_table(self, table)
    }

    /// Merges runs of small segments, which many small appends leave behind. Queries that run meanwhile keep what
    /// they read: merged segments are removed when they have been out of use for `grace`. Returns how many segments
    /// were merged.
    pub fn compact(&self, table: &str, grace: std::time::Duration) -> Result<usize, WorkspaceError> {
        compact::compact(self, table, grace)
    }

    /// What a table takes on disk. Complexity: one footer per segment.
    pub fn size(&self, table: &str) -> Result<TableSize, WorkspaceError> {
        scan::size(&self.table_folder(table)?, table)
    }

    fn table_folder(&self, table: &str) -> Result<PathBuf, WorkspaceError> {
        name::check(table)?;
        Ok(self.folder.join("tables").join(table))
    }
}
