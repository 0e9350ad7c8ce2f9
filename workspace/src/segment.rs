//! Names of segments. Numbers grow with every append; a segment that was merged from others carries the first and the
//! last of their numbers, and takes their place from the moment it is there.
//!
//! ```text
//! 000007-UUID.parquet           the seventh append
//! 000001-000006-UUID.parquet    the first six, merged
//! ```

use std::fmt;
use std::path::{Path, PathBuf};

use crate::WorkspaceError;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SegmentName {
    pub(crate) first: u64,
    pub(crate) last: u64,
    id: String,
}

impl SegmentName {
    pub(crate) fn single(number: u64) -> SegmentName {
        SegmentName::merged(number, number)
    }

    pub(crate) fn merged(first: u64, last: u64) -> SegmentName {
        SegmentName { first, last, id: uuid::Uuid::new_v4().simple().to_string() }
    }

    fn parse(name: &str) -> Option<SegmentName> {
        let parts: Vec<&str> = name.strip_suffix(".parquet")?.split('-').collect();
        let (first, last, id) = match parts.as_slice() {
            [number, id] => (*number, *number, *id),
            [first, last, id] => (*first, *last, *id),
            _ => return None,
        };
        Some(SegmentName { first: first.parse().ok()?, last: last.parse().ok()?, id: id.to_owned() })
    }

    /// Were the rows of `other` merged into this segment?
    pub(crate) fn replaces(&self, other: &SegmentName) -> bool {
        let wider = self.last - self.first > other.last.saturating_sub(other.first);
        wider && self.first <= other.first && other.last <= self.last
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{:06}-{}.parquet", self.first, self.id)
        } else {
            write!(f, "{:06}-{:06}-{}.parquet", self.first, self.last, self.id)
        }
    }
}

/// All finished segments in the order of their rows, merged ones in front of those they replace. A file whose name is
/// not ours but ends like a segment is one, too: rows that somebody put there are not passed over in silence.
pub(crate) fn all(folder: &Path) -> Result<Vec<(SegmentName, PathBuf)>, WorkspaceError> {
    let entries = std::fs::read_dir(folder).map_err(|error| WorkspaceError::io("list", folder, error))?;
    let mut segments = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| WorkspaceError::io("list", folder, error))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        // Names with a dot in front are appends under way, or what a crash left of one.
        if !name.starts_with('.') && name.ends_with(".parquet") {
            let foreign = SegmentName { first: 0, last: 0, id: name.to_owned() };
            segments.push((SegmentName::parse(name).unwrap_or(foreign), path));
        }
    }
    segments.sort_by(|(left, _), (right, _)| {
        (left.first, std::cmp::Reverse(left.last), &left.id).cmp(&(
            right.first,
            std::cmp::Reverse(right.last),
            &right.id,
        ))
    });
    Ok(segments)
}

/// A segment that was merged into another.
pub(crate) struct Replaced {
    pub(crate) path: PathBuf,
    /// The segment that has its rows now.
    pub(crate) holder: PathBuf,
}

/// Splits segments into those that hold the table's rows and those that were merged into others.
pub(crate) fn split(segments: Vec<(SegmentName, PathBuf)>) -> (Vec<(SegmentName, PathBuf)>, Vec<Replaced>) {
    let mut live: Vec<(SegmentName, PathBuf)> = Vec::new();
    let mut replaced = Vec::new();
    for (name, path) in segments {
        // Ranges nest or are apart, and wider ones come first: the last live segment is the only one that can hold it.
        match live.last() {
            Some((holder, at)) if holder.replaces(&name) => replaced.push(Replaced { path, holder: at.clone() }),
            _ => live.push((name, path)),
        }
    }
    (live, replaced)
}

/// Paths of the segments that hold the table's rows, in the order they were appended.
pub(crate) fn live(folder: &Path) -> Result<Vec<PathBuf>, WorkspaceError> {
    Ok(split(all(folder)?).0.into_iter().map(|(_, path)| path).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merged_segment_takes_the_place_of_its_parts() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "000003-c.parquet",
            "000001-a.parquet",
            "000001-000002-m.parquet",
            "000002-b.parquet",
            ".000004-d.parquet.tmp",
        ] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let (live, replaced) = split(all(folder.path()).unwrap());
        let names: Vec<String> = live.iter().map(|(name, _)| name.to_string()).collect();
        assert_eq!(names, ["000001-000002-m.parquet", "000003-c.parquet"]);
        assert_eq!(replaced.len(), 2);
    }

    #[test]
    fn merged_segments_can_be_merged_again() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["000001-000002-m.parquet", "000003-c.parquet", "000001-000003-n.parquet", "1000000-z.parquet"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let names: Vec<PathBuf> = live(folder.path()).unwrap();
        assert_eq!(names.len(), 2);
        assert!(names[0].ends_with("000001-000003-n.parquet") && names[1].ends_with("1000000-z.parquet"));
    }
}
