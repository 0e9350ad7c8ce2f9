//! Where huntbook keeps things.

use std::path::PathBuf;

/// Build folders of cells. `HUNTBOOK_CACHE` moves it: on AML compute, off the network mount.
pub(crate) fn cache() -> PathBuf {
    std::env::var_os("HUNTBOOK_CACHE").map(PathBuf::from).unwrap_or_else(|| base(dirs::cache_dir()).join("huntbook"))
}

/// The local workspace unless `--workspace` or `HUNTBOOK_WORKSPACE` names another.
pub(crate) fn default_workspace() -> PathBuf {
    std::env::var_os("HUNTBOOK_WORKSPACE")
        .map(PathBuf::from)
        .unwrap_or_else(|| base(dirs::data_dir()).join("huntbook").join("workspace"))
}

/// What was run, for later sessions. `HUNTBOOK_HISTORY` names another file; empty, nothing is kept.
pub(crate) fn history() -> Option<PathBuf> {
    match std::env::var_os("HUNTBOOK_HISTORY") {
        Some(named) if named.is_empty() => None,
        Some(named) => Some(PathBuf::from(named)),
        None => Some(base(dirs::data_dir()).join("huntbook").join("history.jsonl")),
    }
}

fn base(folder: Option<PathBuf>) -> PathBuf {
    folder.unwrap_or_else(std::env::temp_dir)
}
