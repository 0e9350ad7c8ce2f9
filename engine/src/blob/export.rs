//! Reading what a Log Analytics data export rule wrote: only the folders of the time that is asked for.

use std::collections::BTreeSet;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use huntbook_azure::blob::BlobInfo;
use huntbook_azure::export_layout::{
    Span, WORKSPACE_KEY, container, holds_rows, lateness, missing_hours, span, split_at_year, workspace_folder,
};

use super::place::{Place, listed, shown};
use super::source::{Item, ItemPlace};
use super::stores::{Access, Remote};
use crate::{CancelToken, Engine, Error, Result};

/// Above a year: `WorkspaceResourceId=`, `subscriptions`, ... eight levels.
const DEEPEST_WORKSPACE: usize = 12;
/// Hours or files that are named.
const NAMED: usize = 5;

/// Which rows of which export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    pub table: String,
    /// Resource id of the workspace, or its name; needed only if the container has exports of several
    pub workspace: Option<String>,
    /// TimeGenerated is in `from..to`.
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
}

/// The files that hold the rows, and what a reader should know about them.
pub(super) struct Found {
    pub(super) items: Vec<Item>,
    pub(super) notes: Vec<String>,
}

/// Where an export is: a container, or a local copy of one.
enum Tree {
    Remote(Remote),
    Local(PathBuf),
}

impl Engine {
    /// The files of an export. `location`: the account or the container (`az://`, `blob://NAME`), or a folder that is
    /// a copy of the container or holds one.
    ///
    /// Errors: no export there, or of several workspaces where none is named.
    pub(super) fn export_items(&self, export: &Export, location: Option<&str>, access: &Access) -> Result<Found> {
        if export.from >= export.to {
            return Err(Error::new("BlobError", "--from must be before --to"));
        }
        let location = location.unwrap_or("az://");
        let own = container(&export.table);
        let (tree, root) = match self.blob_place(location, access)? {
            Place::Remote(mut remote) => {
                if remote.container.is_empty() {
                    remote.container = own;
                }
                let root = std::mem::take(&mut remote.path);
                (Tree::Remote(remote), if root.is_empty() || root.ends_with('/') { root } else { format!("{root}/") })
            }
            Place::Local(folder) => {
                let inner = folder.join(&own);
                (Tree::Local(if inner.is_dir() { inner } else { folder }), String::new())
            }
        };
        let walk = Walk { tree: &tree, cancel: &self.cancel };
        let workspace = walk.workspace(&root, export.workspace.as_deref(), location)?;
        let range = Span { from: export.from, to: export.to };
        let mut files = Vec::new();
        walk.files(&workspace, "", range, &mut files)?;
        files.sort_by(|left, right| left.1.from.cmp(&right.1.from).then_with(|| left.0.name.cmp(&right.0.name)));
        let notes = notes(range, &files);
        let items = files.into_iter().map(|(blob, _)| tree.item(blob)).collect();
        Ok(Found { items, notes })
    }
}

impl Tree {
    fn item(&self, blob: BlobInfo) -> Item {
        match self {
            Tree::Remote(remote) => {
                let one = Remote { path: blob.name.clone(), ..remote.clone() };
                let name = format!("{}/{}", remote.container, blob.name);
                Item { name, bytes: blob.bytes, place: ItemPlace::Remote(Box::new(one), blob.etag) }
            }
            Tree::Local(folder) => {
                let path = folder.join(&blob.name);
                Item { name: path.display().to_string(), bytes: blob.bytes, place: ItemPlace::Local(path) }
            }
        }
    }
}

struct Walk<'w> {
    tree: &'w Tree,
    cancel: &'w CancelToken,
}

impl Walk<'_> {
    /// The folder above the years.
    fn workspace(&self, root: &str, wanted: Option<&str>, location: &str) -> Result<String> {
        if let Some(id) = wanted.filter(|wanted| wanted.contains('/')) {
            let folder = format!("{root}{}", workspace_folder(id));
            if !self.level(&folder)?.0.is_empty() {
                return Ok(folder);
            }
        }
        let mut found = BTreeSet::new();
        self.workspaces(root, DEEPEST_WORKSPACE, &mut found)?;
        let is_wanted = |folder: &&String| match wanted {
            None => true,
            Some(wanted) => {
                let path = folder[root.len()..].trim_matches('/').to_lowercase();
                let id = path.strip_prefix(&WORKSPACE_KEY.to_lowercase()).unwrap_or(&path).trim_matches('/');
                let wanted = wanted.trim_matches('/').to_lowercase();
                id == wanted || id.rsplit('/').next() == Some(&wanted)
            }
        };
        let matching: Vec<&String> = found.iter().filter(is_wanted).collect();
        match (&matching[..], found.len()) {
            ([only], _) => Ok((*only).clone()),
            ([], 0) => Err(error(format!(
                "there is no export at {}: no folder of a year (`y=2026/`) was found",
                shown(location)
            ))),
            ([], _) => Err(error(format!(
                "there is no export of the workspace {}; there are: {}",
                wanted.unwrap_or_default(),
                joined(&found.iter().collect::<Vec<_>>())
            ))),
            (several, _) => Err(error(format!(
                "exports of several workspaces are there; --workspace names one: {}",
                joined(several)
            ))),
        }
    }

    fn workspaces(&self, folder: &str, depth: usize, found: &mut BTreeSet<String>) -> Result<()> {
        let (folders, _) = self.level(folder)?;
        for below in folders {
            match split_at_year(&below) {
                Some((above, _)) => drop(found.insert(above.to_owned())),
                None if depth > 0 => self.workspaces(&below, depth - 1, found)?,
                None => {}
            }
        }
        Ok(())
    }

    /// Files below `workspace` whose time is in the range. Folders of other times are not listed; from an hour on,
    /// or from a day that is needed as a whole, everything below is listed at once.
    fn files(&self, workspace: &str, below: &str, range: Span, files: &mut Vec<(BlobInfo, Span)>) -> Result<()> {
        let is_whole = span(below).is_some_and(|covered| {
            let is_hour = covered.to - covered.from <= chrono::TimeDelta::hours(1);
            let is_inner_day = covered.to - covered.from <= chrono::TimeDelta::days(1)
                && range.from <= covered.from
                && covered.to <= range.to;
            is_hour || is_inner_day
        });
        let (folders, blobs) = match is_whole {
            true => (Vec::new(), self.all(&format!("{workspace}{below}"))?),
            false => self.level(&format!("{workspace}{below}"))?,
        };
        for blob in blobs {
            let covered = span(&blob.name[workspace.len()..]);
            if let Some(covered) = covered
                && covered.overlaps(&range)
                && blob.bytes > 0
                && holds_rows(&blob.name)
            {
                files.push((blob, covered));
            }
        }
        for folder in folders {
            let path = &folder[workspace.len()..];
            if span(path).is_some_and(|covered| covered.overlaps(&range)) {
                self.files(workspace, path, range, files)?;
            }
        }
        Ok(())
    }

    /// Folders (ending in `/`) and files directly in a folder.
    fn level(&self, folder: &str) -> Result<(Vec<String>, Vec<BlobInfo>)> {
        match self.tree {
            Tree::Remote(remote) => {
                let listing = listed(self.cancel, remote, folder, false)?;
                Ok((listing.folders, listing.blobs))
            }
            Tree::Local(root) => {
                let path = root.join(folder);
                if !path.is_dir() {
                    return Ok((Vec::new(), Vec::new()));
                }
                let (mut folders, mut files) = (Vec::new(), Vec::new());
                let fail = |error: std::io::Error| Error::io("list", &path, &error);
                for entry in std::fs::read_dir(&path).map_err(fail)? {
                    let entry = entry.map_err(fail)?;
                    let metadata = entry.metadata().map_err(fail)?;
                    let name = format!("{folder}{}", entry.file_name().to_string_lossy());
                    if metadata.is_dir() {
                        folders.push(format!("{name}/"));
                    } else {
                        let modified = metadata.modified().ok().map(DateTime::from);
                        files.push(BlobInfo { name, bytes: metadata.len(), modified, etag: String::new() });
                    }
                }
                folders.sort();
                Ok((folders, files))
            }
        }
    }

    /// All files below a folder.
    fn all(&self, folder: &str) -> Result<Vec<BlobInfo>> {
        if let Tree::Remote(remote) = self.tree {
            return Ok(listed(self.cancel, remote, folder, true)?.blobs);
        }
        let (folders, mut files) = self.level(folder)?;
        for below in folders {
            files.extend(self.all(&below)?);
        }
        Ok(files)
    }
}

/// What is missing, and what came late.
fn notes(range: Span, files: &[(BlobInfo, Span)]) -> Vec<String> {
    let mut notes = Vec::new();
    let present: Vec<Span> = files.iter().map(|(_, covered)| *covered).collect();
    let missing = missing_hours(range, &present, Utc::now());
    if !missing.is_empty() {
        let hours: i64 = missing.iter().map(|span| (span.to - span.from).num_hours()).sum();
        let named = missing.iter().map(|span| format!("{} to {}", hour(span.from), hour(span.to))).collect();
        notes.push(format!("{hours} hour(s) have no file: {}", some(named)));
    }
    let late: Vec<String> = files
        .iter()
        .filter_map(|(blob, covered)| {
            let delay = lateness(*covered, blob.modified?)?;
            Some(format!("{} ({} h)", hour(covered.from), delay.num_hours()))
        })
        .collect();
    if !late.is_empty() {
        notes.push(format!(
            "{} file(s) were written more than an hour after their time; rows in them came late, some perhaps twice: {}",
            late.len(),
            some(late)
        ));
    }
    notes
}

fn some(mut named: Vec<String>) -> String {
    let more = named.len().saturating_sub(NAMED);
    named.truncate(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", named.join(", "))
}

fn hour(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M").to_string()
}

fn joined(folders: &[&String]) -> String {
    folders.iter().map(|folder| folder.trim_end_matches('/')).collect::<Vec<_>>().join(", ")
}

fn error(message: impl Into<String>) -> Error {
    Error::new("BlobError", message)
}
