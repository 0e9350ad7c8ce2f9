//! Many small appends leave many small segments, and every query opens all of them: runs of them become one.
//!
//! The merged segment replaces its parts by its name alone (`segment.rs`), so that one rename is the whole step: a
//! crash in front of it leaves the parts, a crash behind it the merged segment. The parts are removed later, when no
//! query that began before can still be reading them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use polars::prelude::*;

use crate::lock::WriteLock;
use crate::segment::{self, Replaced, SegmentName};
use crate::{Workspace, WorkspaceError, append, scan, schema};

/// So many neighbours of one size become one segment.
const RUN: usize = 16;
/// Upper sizes in bytes of the classes of small segments. Merging only within a class keeps the work low: a row is
/// written once per class.
const CLASSES: [u64; 3] = [64 << 10, 1 << 20, 16 << 20];

pub(crate) fn compact(workspace: &Workspace, table: &str, grace: Duration) -> Result<usize, WorkspaceError> {
    let folder = workspace.table_folder(table)?;
    let Some(schema) = schema::read(&folder)? else { return Ok(0) };
    // Only when there is something to do: the lock keeps appends waiting.
    let (live, replaced) = segment::split(segment::all(&folder)?);
    remove_old(&replaced, grace);
    if newest_run(&live).is_none() {
        return Ok(0);
    }
    let _lock = WriteLock::acquire(workspace.folder())?;
    let (live, _) = segment::split(segment::all(&folder)?);
    let Some(run) = newest_run(&live) else { return Ok(0) };
    let (Some((first, _)), Some((last, _))) = (run.first(), run.last()) else { return Ok(0) };
    let frames = run.iter().map(|(_, path)| scan::scan_segment(path, &schema, table)).collect::<Result<Vec<_>, _>>()?;
    let failed = |error: PolarsError| WorkspaceError::Write { path: folder.clone(), why: error.to_string() };
    let rows = concat(frames, UnionArgs::default()).and_then(LazyFrame::collect).map_err(failed)?;
    append::write_named(&folder, &SegmentName::merged(first.first, last.last).to_string(), rows)?;
    Ok(run.len())
}

/// The newest neighbours of one class or smaller, if there are enough of them.
fn newest_run(live: &[(SegmentName, PathBuf)]) -> Option<&[(SegmentName, PathBuf)]> {
    let sizes: Vec<u64> =
        live.iter().map(|(_, path)| std::fs::metadata(path).map_or(u64::MAX, |data| data.len())).collect();
    // Of the largest class first: it takes the smaller ones among them along.
    CLASSES.iter().rev().find_map(|limit| {
        let small = |at: &usize| sizes[*at] < *limit && live[*at].0.first > 0;
        let length = (0..live.len()).rev().take_while(small).count();
        let run = &live[live.len() - length..];
        // Parts of this class itself, not of a smaller one, make it worth the work.
        let below = CLASSES.iter().rev().find(|other| *other < limit).copied().unwrap_or(0);
        let own = sizes[live.len() - length..].iter().filter(|size| **size >= below).count();
        (own >= RUN).then_some(run)
    })
}

/// Removes segments that were merged into others, once nothing can be reading them.
fn remove_old(replaced: &[Replaced], grace: Duration) {
    let age = |path: &Path| std::fs::metadata(path).and_then(|data| data.modified()).ok()?.elapsed().ok();
    let mut holder: Option<(&Path, bool)> = None;
    for part in replaced {
        let old = match holder {
            Some((path, old)) if path == part.holder => old,
            _ => age(&part.holder).is_some_and(|age| age > grace),
        };
        holder = Some((&part.holder, old));
        if old {
            // Left behind, it is only a file that no reader looks at.
            let _ = std::fs::remove_file(&part.path);
        }
    }
}

pub(crate) fn drop_table(workspace: &Workspace, table: &str) -> Result<bool, WorkspaceError> {
    let folder = workspace.table_folder(table)?;
    let _lock = WriteLock::acquire(workspace.folder())?;
    if schema::read(&folder)?.is_none() {
        return Ok(false);
    }
    // One rename takes the table away as a whole, however long its files take to remove.
    let away: &Path = &workspace.folder().join(format!(".dropped-{}", uuid::Uuid::new_v4().simple()));
    std::fs::rename(&folder, away).map_err(|error| WorkspaceError::io("remove", &folder, error))?;
    std::fs::remove_dir_all(away).map_err(|error| WorkspaceError::io("remove", away, error))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(number: i64) -> DataFrame {
        df!("n" => [number]).unwrap()
    }

    #[test]
    fn merging_keeps_every_row_once_and_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(folder.path()).unwrap();
        for number in 0..40 {
            workspace.append("T", one(number)).unwrap();
            workspace.compact("T", Duration::from_secs(900)).unwrap();
        }
        let table = folder.path().join("tables").join("T");
        let (live, replaced) = segment::split(segment::all(&table).unwrap());
        assert!(live.len() < RUN && replaced.len() > RUN, "{} live, {} replaced", live.len(), replaced.len());
        let rows = workspace.scan("T").unwrap().unwrap().collect().unwrap();
        let numbers: Vec<i64> = rows.column("n").unwrap().i64().unwrap().into_no_null_iter().collect();
        assert_eq!(numbers, (0..40).collect::<Vec<i64>>());
        workspace.compact("T", Duration::ZERO).unwrap();
        assert!(segment::split(segment::all(&table).unwrap()).1.is_empty(), "parts are removed in the end");
        assert_eq!(workspace.scan("T").unwrap().unwrap().collect().unwrap().height(), 40);
        workspace.append("T", one(40)).unwrap();
        assert_eq!(workspace.scan("T").unwrap().unwrap().collect().unwrap().height(), 41);
    }

    #[test]
    fn a_dropped_table_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(folder.path()).unwrap();
        workspace.append("T", one(1)).unwrap();
        assert!(workspace.drop_table("T").unwrap());
        assert!(!workspace.drop_table("T").unwrap());
        assert_eq!(workspace.table_names().unwrap(), Vec::<String>::new());
    }
}
