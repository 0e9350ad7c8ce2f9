//! Files that are written as a whole or not at all, here or in Azure.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use huntbook_azure::blob::BlobWriter;

use super::place::{Place, found};
use super::stores::Remote;
use super::wait::wait;
use crate::{CancelToken, Error, Result};

/// A file that is being written. It is visible when it is finished; dropped before, it leaves nothing.
pub(super) struct Sink {
    cancel: CancelToken,
    target: Target,
}

enum Target {
    Local { file: File, part: PathBuf, path: PathBuf, overwrite: bool, is_done: bool },
    Remote(Option<Box<BlobWriter>>),
}

impl Sink {
    /// `bytes`: the size, where it is known.
    ///
    /// Errors: the file exists and is not to be overwritten, or the place cannot be written to.
    pub(super) fn create(place: &Place, bytes: Option<u64>, overwrite: bool, cancel: &CancelToken) -> Result<Sink> {
        let target = match place {
            Place::Local(path) => local(path, overwrite)?,
            Place::Remote(remote) => remote_target(remote, bytes, overwrite, cancel)?,
        };
        Ok(Sink { cancel: cancel.clone(), target })
    }

    /// Makes the file visible.
    pub(super) fn finish(mut self) -> Result<()> {
        match &mut self.target {
            Target::Remote(writer) => match writer.take() {
                Some(writer) => wait(&self.cancel, async { Ok(writer.finish().await?) }),
                None => Ok(()),
            },
            Target::Local { file, part, path, overwrite, is_done } => {
                file.sync_all().map_err(|error| Error::io("write", path, &error))?;
                publish(part, path, *overwrite)?;
                *is_done = true;
                Ok(())
            }
        }
    }
}

fn local(path: &Path, overwrite: bool) -> Result<Target> {
    if !overwrite && path.exists() {
        return Err(exists(path));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    if !folder.as_os_str().is_empty() {
        std::fs::create_dir_all(folder).map_err(|error| Error::io("make the folder", folder, &error))?;
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let part = folder.join(format!(".{name}.{}", uuid::Uuid::new_v4().simple()));
    let file = File::create_new(&part).map_err(|error| Error::io("write", &part, &error))?;
    Ok(Target::Local { file, part, path: path.to_owned(), overwrite, is_done: false })
}

/// Under its own name; somebody else's file of that name stays.
fn publish(part: &Path, path: &Path, overwrite: bool) -> Result<()> {
    if !overwrite {
        match std::fs::hard_link(part, path) {
            Ok(()) => {
                let _ = std::fs::remove_file(part);
                return Ok(());
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(exists(path)),
            // A file system without links: the look before must do.
            Err(_) if path.exists() => return Err(exists(path)),
            Err(_) => {}
        }
    }
    std::fs::rename(part, path).map_err(|error| Error::io("write", path, &error))
}

fn exists(path: &Path) -> Error {
    Error::new("BlobError", format!("{} exists: --overwrite replaces it", path.display()))
}

/// Whether it exists is looked at before megabytes are sent, and decided by the service when they are there.
fn remote_target(remote: &Remote, bytes: Option<u64>, overwrite: bool, cancel: &CancelToken) -> Result<Target> {
    let Remote { account, container, path } = remote;
    if container.is_empty() || path.is_empty() || path.ends_with('/') {
        return Err(Error::new(
            "BlobError",
            format!("`{container}/{path}` names no blob: a container and a name are needed, as in az://CONTAINER/NAME"),
        ));
    }
    if !overwrite && found(cancel, remote)?.is_some() {
        return Err(Error::new("BlobError", format!("`{container}/{path}` exists: --overwrite replaces it")));
    }
    Ok(Target::Remote(Some(Box::new(account.write(container, path, bytes, overwrite)))))
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.target {
            Target::Local { file, .. } => {
                if self.cancel.is_cancelled() {
                    return Err(io::Error::other(Error::cancelled()));
                }
                file.write(bytes)
            }
            Target::Remote(Some(writer)) => {
                wait(&self.cancel, async { Ok(writer.write(bytes).await?) }).map_err(io::Error::other)?;
                Ok(bytes.len())
            }
            Target::Remote(None) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if let Target::Local { part, is_done: false, .. } = &self.target {
            let _ = std::fs::remove_file(part);
        }
    }
}

/// What went wrong behind an [`io::Write`]: our own error, if it was one.
pub(super) fn failed(error: io::Error, what: &str) -> Error {
    match error.downcast::<Error>() {
        Ok(own) => own,
        Err(error) => Error::new("IoError", format!("cannot write {what}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_as_a_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a").join("b.txt");
        let (place, cancel) = (Place::Local(path.clone()), CancelToken::default());
        let mut dropped = Sink::create(&place, None, false, &cancel).unwrap();
        dropped.write_all(b"half").unwrap();
        drop(dropped);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);
        let (mut one, mut two) =
            (Sink::create(&place, None, false, &cancel).unwrap(), Sink::create(&place, None, false, &cancel).unwrap());
        one.write_all(b"one").unwrap();
        two.write_all(b"two").unwrap();
        one.finish().unwrap();
        assert!(two.finish().unwrap_err().message.contains("--overwrite"));
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        let mut over = Sink::create(&place, None, true, &cancel).unwrap();
        over.write_all(b"three").unwrap();
        over.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"three");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
