//! Blobs on this machine's disk, by their version: what has not changed is not downloaded again.
//!
//! ```text
//! CACHE/blobs/HASH    of account, container, name and ETag; only the user may read the folder
//! ```

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::progress::Progress;
use super::source::{Item, ItemPlace, whole};
use crate::{Engine, Error, Result};

/// Where downloaded blobs are while they are read, or for the next time.
pub(super) struct BlobCache {
    folder: PathBuf,
    stays: bool,
}

impl Drop for BlobCache {
    fn drop(&mut self) {
        if !self.stays {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

impl BlobCache {
    /// `stays`: in the user's cache; else in a folder that goes with this value.
    pub(super) fn open(engine: &Engine, stays: bool) -> Result<BlobCache> {
        let folder = match stays {
            true => user_cache()?.join("blobs"),
            false => engine.settings.transfer.join(format!("blobs-{}", uuid::Uuid::new_v4().simple())),
        };
        make_private(&folder)?;
        Ok(BlobCache { folder, stays })
    }

    /// The items as local files; local ones stay what they are. Downloads in order, each while others are not yet
    /// asked for: the network is the bound, not the number of requests.
    pub(super) fn local(
        &self,
        items: Vec<Item>,
        progress: &Arc<Progress>,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<Vec<Item>> {
        items.into_iter().map(|item| self.local_item(item, progress, is_cancelled)).collect()
    }

    fn local_item(&self, item: Item, progress: &Arc<Progress>, is_cancelled: &dyn Fn() -> bool) -> Result<Item> {
        let ItemPlace::Remote(remote, etag) = &item.place else { return Ok(item) };
        let key = remote.account.version_key(&remote.container, &remote.path, etag);
        let path = self.folder.join(&key);
        // Without an ETag the version is not known.
        if etag.is_empty() || !path.exists() {
            let part = self.folder.join(format!("{key}.{}", uuid::Uuid::new_v4().simple()));
            let fetched = fetch(&item, &part, progress, is_cancelled);
            if let Err(error) = fetched {
                let _ = std::fs::remove_file(&part);
                return Err(error);
            }
            std::fs::rename(&part, &path).map_err(|error| Error::io("write", &path, &error))?;
        }
        Ok(Item { place: ItemPlace::Local(path), ..item })
    }
}

fn fetch(item: &Item, path: &Path, progress: &Arc<Progress>, is_cancelled: &dyn Fn() -> bool) -> Result<()> {
    let mut reader = whole(item, progress)?;
    let mut file = std::fs::File::create(path).map_err(|error| Error::io("write", path, &error))?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        if is_cancelled() {
            return Err(Error::cancelled());
        }
        let read = reader
            .read(&mut buffer)
            .map_err(|error| Error::new("BlobError", format!("cannot read {} to its end: {error}", item.name)))?;
        if read == 0 {
            return file.sync_all().map_err(|error| Error::io("write", path, &error));
        }
        std::io::Write::write_all(&mut file, &buffer[..read]).map_err(|error| Error::io("write", path, &error))?;
    }
}

fn user_cache() -> Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("HUNTBOOK_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|cache| cache.join("huntbook")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache").join("huntbook")))
        .ok_or_else(|| Error::new("BlobError", "there is no folder for a cache: set HUNTBOOK_CACHE"))
}

fn make_private(folder: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| Error::io("make the folder", folder, &error))
}
