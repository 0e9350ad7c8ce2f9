//! Locations as files: what a path, a folder or a pattern names, here or in Azure.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use huntbook_azure::blob::{BlobError, BlobErrorKind, BlobInfo, Listing, Location};
use huntbook_wire::SourceFormat;

use super::pattern;
use super::source::{Item, ItemPlace};
use super::stores::{self, Access, Remote};
use super::wait::wait;
use crate::{CancelToken, Engine, Error, Result};

/// One entry of a listing.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Below the location that was listed: a path, or the name in its container
    pub name: String,
    pub bytes: u64,
    pub modified: Option<SystemTime>,
    pub is_folder: bool,
    /// Empty for local files
    pub etag: String,
}

/// A location whose account is known.
pub(super) enum Place {
    Local(PathBuf),
    Remote(Remote),
}

impl Place {
    /// For messages.
    pub(super) fn name(&self) -> String {
        match self {
            Place::Local(path) => path.display().to_string(),
            Place::Remote(remote) => format!("{}/{}", remote.container, remote.path),
        }
    }
}

impl Engine {
    pub(super) fn blob_place(&self, location: &str, access: &Access) -> Result<Place> {
        match Location::parse(location)? {
            Location::Local(path) => Ok(Place::Local(self.resolve(Path::new(&path)))),
            Location::Azure(azure) => {
                Ok(Place::Remote(stores::resolve(&self.settings.base, azure, access, &self.cancel)?))
            }
        }
    }

    /// What is in a folder, or the file itself; what matches, for a location with `*` or `?`. Sorted by name. Without
    /// a container the containers of the account are listed.
    ///
    /// Errors: no such place, or one that may not be listed.
    pub fn blob_ls(&self, location: &str, recursive: bool, access: &Access) -> Result<Vec<Entry>> {
        let mut entries = match self.blob_place(location, access)? {
            Place::Local(path) => local_entries(&path, recursive)?,
            Place::Remote(remote) => self.remote_entries(&remote, recursive)?,
        };
        entries.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(entries)
    }

    fn remote_entries(&self, remote: &Remote, recursive: bool) -> Result<Vec<Entry>> {
        let Remote { account, container, path } = remote;
        if container.is_empty() {
            let names = wait(&self.cancel, async { Ok(account.containers().await?) })?;
            let entry = |name| Entry { name, bytes: 0, modified: None, is_folder: true, etag: String::new() };
            return Ok(names.into_iter().map(entry).collect());
        }
        if let Some((folder, pattern)) = pattern::split(path) {
            let listing = listed(&self.cancel, remote, folder, true)?;
            return Ok(entries(listing).into_iter().filter(|entry| pattern::matches(pattern, &entry.name)).collect());
        }
        if path.is_empty() || path.ends_with('/') {
            return Ok(entries(listed(&self.cancel, remote, path, recursive)?));
        }
        // Without a slash it is a blob, or a folder.
        if let Some(blob) = found(&self.cancel, remote)? {
            return Ok(entries(Listing { blobs: vec![blob], folders: Vec::new() }));
        }
        let inside = format!("{path}/");
        let inside = entries(listed(&self.cancel, remote, &inside, recursive)?);
        if inside.is_empty() {
            return Err(Error::new("BlobError", format!("there is no blob or folder `{container}/{path}`")));
        }
        Ok(inside)
    }

    /// The data files that the locations name, in order.
    ///
    /// Errors: a location that names none, or files of several formats where none was given.
    pub(super) fn items(
        &self,
        locations: &[String],
        format: Option<SourceFormat>,
        access: &Access,
    ) -> Result<(Vec<Item>, SourceFormat)> {
        let mut items = Vec::new();
        for location in locations {
            let found = match self.blob_place(location, access)? {
                Place::Local(path) => local_items(&path, format)?,
                Place::Remote(remote) => self.remote_items(&remote, format)?,
            };
            if found.is_empty() {
                return Err(Error::new(
                    "BlobError",
                    format!("there are no CSV, TSV, JSON lines or Parquet files at {}", shown(location)),
                ));
            }
            items.extend(found);
        }
        let format = match format {
            Some(format) => format,
            None => common_format(&items)?,
        };
        Ok((items, format))
    }

    fn remote_items(&self, remote: &Remote, format: Option<SourceFormat>) -> Result<Vec<Item>> {
        let all = self.every_remote_item(remote)?;
        let is_file = all.len() == 1 && matches!(&all[0].place, ItemPlace::Remote(one, _) if one.path == remote.path);
        Ok(all.into_iter().filter(|item| is_file || is_data(&item.name, item.bytes, format)).collect())
    }

    /// All blobs that a location names.
    pub(super) fn every_remote_item(&self, remote: &Remote) -> Result<Vec<Item>> {
        if remote.container.is_empty() {
            return Err(Error::new("BlobError", "a container is missing in the location: `%blob ls az://` lists them"));
        }
        let all = self.remote_entries(remote, true)?;
        let item = |entry: Entry| {
            let one = Remote { path: entry.name.clone(), ..remote.clone() };
            let name = format!("{}/{}", remote.container, entry.name);
            Item { name, bytes: entry.bytes, place: ItemPlace::Remote(Box::new(one), entry.etag) }
        };
        Ok(all.into_iter().filter(|entry| !entry.is_folder).map(item).collect())
    }
}

pub(super) fn listed(cancel: &CancelToken, remote: &Remote, prefix: &str, recursive: bool) -> Result<Listing> {
    wait(cancel, async {
        let list = remote.account.list(&remote.container, prefix, recursive, |_| Ok::<(), BlobError>(()));
        Ok(list.await?)
    })
}

fn entries(listing: Listing) -> Vec<Entry> {
    let folder = |name| Entry { name, bytes: 0, modified: None, is_folder: true, etag: String::new() };
    let blob = |blob: BlobInfo| Entry {
        name: blob.name,
        bytes: blob.bytes,
        modified: blob.modified.map(SystemTime::from),
        is_folder: false,
        etag: blob.etag,
    };
    listing.folders.into_iter().map(folder).chain(listing.blobs.into_iter().map(blob)).collect()
}

/// The blob, if there is one of this name.
pub(super) fn found(cancel: &CancelToken, remote: &Remote) -> Result<Option<BlobInfo>> {
    wait(cancel, async {
        match remote.account.properties(&remote.container, &remote.path).await {
            Ok(info) => Ok(Some(info)),
            Err(error) if error.kind == BlobErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    })
}

fn local_entries(path: &Path, recursive: bool) -> Result<Vec<Entry>> {
    let text = path.to_string_lossy();
    if !path.exists()
        && let Some((folder, pattern)) = pattern::split(&text)
    {
        let folder = if folder.is_empty() { "." } else { folder };
        let mut found = Vec::new();
        walk(Path::new(folder), true, &mut found)?;
        found.retain(|entry| pattern::matches(pattern, &entry.name));
        return Ok(found);
    }
    let metadata = std::fs::metadata(path).map_err(|error| Error::io("read", path, &error))?;
    if !metadata.is_dir() {
        return Ok(vec![local_entry(path, &metadata)]);
    }
    let mut found = Vec::new();
    walk(path, recursive, &mut found)?;
    Ok(found)
}

fn walk(folder: &Path, recursive: bool, found: &mut Vec<Entry>) -> Result<()> {
    let fail = |error: std::io::Error| Error::io("list", folder, &error);
    for item in std::fs::read_dir(folder).map_err(fail)? {
        let item = item.map_err(fail)?;
        let metadata = item.metadata().map_err(fail)?;
        if recursive && metadata.is_dir() {
            walk(&item.path(), true, found)?;
        } else {
            found.push(local_entry(&item.path(), &metadata));
        }
    }
    Ok(())
}

fn local_entry(path: &Path, metadata: &std::fs::Metadata) -> Entry {
    Entry {
        name: path.to_string_lossy().into_owned(),
        bytes: if metadata.is_dir() { 0 } else { metadata.len() },
        modified: metadata.modified().ok(),
        is_folder: metadata.is_dir(),
        etag: String::new(),
    }
}

fn local_items(path: &Path, format: Option<SourceFormat>) -> Result<Vec<Item>> {
    let is_file = path.is_file();
    let wanted = |item: &Item| is_file || is_data(&item.name, item.bytes, format);
    Ok(local_files(path)?.into_iter().filter(wanted).collect())
}

/// All files that a path names, sorted.
pub(super) fn local_files(path: &Path) -> Result<Vec<Item>> {
    let mut all = local_entries(path, true)?;
    all.sort_by(|left, right| left.name.cmp(&right.name));
    let item = |entry: Entry| {
        let place = ItemPlace::Local(PathBuf::from(&entry.name));
        Item { name: entry.name, bytes: entry.bytes, place }
    };
    Ok(all.into_iter().filter(|entry| !entry.is_folder).map(item).collect())
}

/// Empty files are markers; `_SUCCESS` and checksums are Spark's.
fn is_data(name: &str, bytes: u64, format: Option<SourceFormat>) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    bytes > 0 && !file.starts_with(['_', '.']) && (format.is_some() || format_of(name).is_some())
}

fn common_format(items: &[Item]) -> Result<SourceFormat> {
    let mut common = None;
    for item in items {
        let Some(format) = format_of(&item.name) else {
            return Err(Error::new(
                "BlobError",
                format!("cannot tell the format of {} by its ending: add --format csv|tsv|jsonl|parquet", item.name),
            ));
        };
        match common {
            None => common = Some((format, &item.name)),
            Some((known, first)) if known != format => {
                return Err(Error::new(
                    "BlobError",
                    format!(
                        "the files have several formats ({first}, {}): give a pattern, such as `folder/*.csv`",
                        item.name
                    ),
                ));
            }
            Some(_) => {}
        }
    }
    common.map(|(format, _)| format).ok_or_else(|| Error::new("BlobError", "there are no files to read"))
}

/// By the ending; `.gz` and `.zst` may follow.
pub(super) fn format_of(name: &str) -> Option<SourceFormat> {
    let name = name.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
    Some(match name.rsplit(['/', '\\']).next()?.rsplit_once('.')?.1 {
        "csv" => SourceFormat::Csv,
        "tsv" | "tab" => SourceFormat::Tsv,
        "json" | "jsonl" | "ndjson" => SourceFormat::JsonLines,
        "parquet" => SourceFormat::Parquet,
        _ => return None,
    })
}

/// A location for a message: what follows `?` may be a signature.
pub(super) fn shown(location: &str) -> &str {
    if location.contains("://") { location.split('?').next().unwrap_or_default() } else { location }
}
