//! KQL functions of a folder, read again when a file changes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use huntbook_kql::catalogs::FunctionFolder;

/// What tells that files have changed.
type Stamp = Vec<(PathBuf, Option<SystemTime>, u64)>;

/// A folder of functions.
pub(crate) struct Functions {
    folder: PathBuf,
    read: Mutex<Option<(Stamp, Arc<FunctionFolder>)>>,
}

impl Functions {
    pub(crate) fn new(folder: PathBuf) -> Functions {
        Functions { folder, read: Mutex::default() }
    }

    /// The functions as the files are now.
    pub(crate) fn current(&self) -> Result<Arc<FunctionFolder>, String> {
        let mut stamp = Stamp::new();
        stamps(&self.folder, &mut stamp);
        stamp.sort();
        let mut read = self.read.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some((known, functions)) = &*read
            && *known == stamp
        {
            return Ok(functions.clone());
        }
        let functions = Arc::new(FunctionFolder::open(&self.folder)?);
        *read = Some((stamp, functions.clone()));
        Ok(functions)
    }
}

fn stamps(folder: &Path, stamp: &mut Stamp) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => stamps(&entry.path(), stamp),
            Ok(metadata) => stamp.push((entry.path(), metadata.modified().ok(), metadata.len())),
            Err(_) => stamp.push((entry.path(), None, 0)),
        }
    }
}
