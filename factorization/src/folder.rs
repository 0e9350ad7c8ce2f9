//! Folders that appear whole or not at all, and the version in their `model.json`.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Written into `model.json`; readers refuse newer ones.
#[cfg_attr(not(feature = "frames"), allow(unreachable_pub))]
pub const FORMAT_VERSION: u32 = 1;

/// What every `model.json` starts with.
#[derive(Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) format: String,
    pub(crate) format_version: u32,
    pub(crate) library_version: String,
}

impl Version {
    pub(crate) fn current(format: &str) -> Self {
        Version {
            format: format.to_owned(),
            format_version: FORMAT_VERSION,
            library_version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    pub(crate) fn read(folder: &Path) -> Result<(Version, Vec<u8>), Error> {
        let path = folder.join("model.json");
        let text = fs::read(&path).map_err(|e| Error::file("read", &path, e))?;
        let version: Version = serde_json::from_slice(&text).map_err(|e| damaged(&path, e))?;
        match version.format_version {
            1..=FORMAT_VERSION => Ok((version, text)),
            0 => Err(damaged(&path, "its format version is 0")),
            newer => {
                let reason = format!(
                    "it has format version {newer}, written by version {}, but this version ({}) reads up to \
                     {FORMAT_VERSION}; update, or save the model again with this version",
                    version.library_version,
                    env!("CARGO_PKG_VERSION")
                );
                Err(Error::file("read", &path, reason))
            }
        }
    }

    /// The text of a `model.json` of that format.
    pub(crate) fn expect(folder: &Path, format: &str) -> Result<Vec<u8>, Error> {
        let (version, text) = Self::read(folder)?;
        if version.format == format {
            return Ok(text);
        }
        let reason = format!("it is a `{}`, not a `{format}`", version.format);
        Err(Error::file("read", &folder.join("model.json"), reason))
    }
}

impl Error {
    pub(crate) fn file(action: &'static str, path: &Path, reason: impl std::fmt::Display) -> Self {
        Error::File { action, path: PathBuf::from(path), reason: reason.to_string() }
    }
}

/// Whether the folder holds a model of that format.
#[cfg(feature = "frames")]
pub(crate) fn is_a(folder: &Path, format: &str) -> Result<bool, Error> {
    Version::read(folder).map(|(version, _)| version.format == format)
}

pub(crate) fn damaged(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::file("read", path, format!("it is damaged: {why}"))
}

/// Lets `write` fill a new folder beside the wanted one and puts it in place. An existing model is replaced; anything
/// else that is there is not touched.
pub(crate) fn replace(folder: &Path, write: impl FnOnce(&Path) -> Result<(), Error>) -> Result<(), Error> {
    if folder.exists() && !folder.join("model.json").is_file() && !is_empty(folder) {
        return Err(Error::file("save to", folder, "it exists and is not a model; choose another folder"));
    }
    let parent = folder.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(|e| Error::file("create", parent, e))?;
    let name = folder.file_name().ok_or_else(|| Error::file("save to", folder, "it has no name"))?;
    let beside = |suffix: &str| parent.join(format!(".{}.{}.{suffix}", name.to_string_lossy(), std::process::id()));
    let (new, old) = (beside("new"), beside("old"));
    remove(&new)?;
    let made = fs::create_dir(&new).map_err(|e| Error::file("create", &new, e));
    let swapped = made.and_then(|()| write(&new)).and_then(|()| swap(&new, &old, folder, parent));
    if swapped.is_err() {
        // The error that matters is the first one.
        let _ = fs::remove_dir_all(&new);
    }
    swapped
}

/// Writes `model.json`, the last file of a folder.
pub(crate) fn describe(folder: &Path, description: &impl Serialize) -> Result<(), Error> {
    let path = folder.join("model.json");
    let text = serde_json::to_vec_pretty(description).map_err(|e| Error::file("write", &path, e))?;
    let mut file = File::create_new(&path).map_err(|e| Error::file("write", &path, e))?;
    file.write_all(&text).and_then(|()| file.sync_all()).map_err(|e| Error::file("write", &path, e))
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

fn remove(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::file("remove", folder, e)),
        _ => Ok(()),
    }
}

/// Two renames: a crash between them leaves the old model whole under its temporary name.
fn swap(new: &Path, old: &Path, folder: &Path, parent: &Path) -> Result<(), Error> {
    sync(new)?;
    remove(old)?;
    let moved = folder.exists();
    if moved {
        fs::rename(folder, old).map_err(|e| Error::file("replace", folder, e))?;
    }
    if let Err(error) = fs::rename(new, folder) {
        if moved {
            let _ = fs::rename(old, folder);
        }
        return Err(Error::file("write", folder, error));
    }
    sync(parent)?;
    remove(old)
}

/// A rename must survive a crash too.
fn sync(folder: &Path) -> Result<(), Error> {
    File::open(folder).and_then(|f| f.sync_all()).map_err(|e| Error::file("sync", folder, e))
}
