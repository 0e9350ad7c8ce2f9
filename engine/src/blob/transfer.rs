//! `%blob get`, `put`, `rm`, `cat`, `head`: files as they are.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::place::{Place, local_files, shown};
use super::progress::{Progress, grouped, size};
use super::sink::{Sink, failed};
use super::source::{Item, ItemPlace, unpacked, whole};
use super::stores::{Access, Remote};
use super::wait::wait;
use crate::{CancelToken, Engine, Error, Result};

const BUFFER: usize = 1 << 20;
/// More text than this is no reading for a person.
const LONGEST_TEXT: usize = 1 << 20;

impl Engine {
    /// Copies a blob to a file, or the blobs of a folder or pattern into a folder. Gives what was copied.
    ///
    /// Errors: files that exist, unless they are to be overwritten; names that lead out of the folder.
    pub fn blob_get(&self, location: &str, target: &str, overwrite: bool, access: &Access) -> Result<String> {
        let target = self.resolve(Path::new(target.strip_prefix("file://").unwrap_or(target)));
        let (items, root) = self.all_items(location, access)?;
        let into_folder = root.is_some() || target.is_dir();
        let mut copies = Vec::with_capacity(items.len());
        for item in items {
            let path = match &root {
                Some(root) => inside(&target, below(&item.name, root))?,
                None if into_folder => inside(&target, item.name.rsplit('/').next().unwrap_or(&item.name))?,
                None => target.clone(),
            };
            copies.push((item, Place::Local(path)));
        }
        self.copy(&copies, overwrite)
    }

    /// Copies a file to a blob, or the files of a folder below a prefix. Gives what was copied. A blob is there when it
    /// is whole.
    pub fn blob_put(&self, source: &str, location: &str, overwrite: bool, access: &Access) -> Result<String> {
        let source = self.resolve(Path::new(source.strip_prefix("file://").unwrap_or(source)));
        let place = self.blob_place(location, access)?;
        let files = local_files(&source)?;
        let is_folder = source.is_dir();
        let mut copies = Vec::with_capacity(files.len());
        for item in files {
            let ItemPlace::Local(path) = &item.place else { continue };
            let name = match is_folder {
                true => path.strip_prefix(&source).unwrap_or(path).to_string_lossy().replace('\\', "/"),
                false => path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            };
            let target = match &place {
                Place::Local(target) if is_folder || target.is_dir() => Place::Local(target.join(&name)),
                Place::Local(target) => Place::Local(target.clone()),
                Place::Remote(remote) => {
                    let names_a_folder = is_folder || remote.path.is_empty() || remote.path.ends_with('/');
                    let path = match names_a_folder {
                        true if remote.path.is_empty() => name,
                        true => format!("{}/{name}", remote.path.trim_end_matches('/')),
                        false => remote.path.clone(),
                    };
                    Place::Remote(Remote { path, ..remote.clone() })
                }
            };
            copies.push((item, target));
        }
        self.copy(&copies, overwrite)
    }

    /// Makes the container of a location, if there is none.
    pub fn blob_make_container(&self, location: &str, access: &Access) -> Result<String> {
        match self.blob_place(location, access)? {
            Place::Local(path) => {
                std::fs::create_dir_all(&path).map_err(|error| Error::io("make the folder", &path, &error))?;
                Ok(format!("made {}", path.display()))
            }
            Place::Remote(remote) => {
                wait(&self.cancel, async { Ok(remote.account.make_container(&remote.container).await?) })?;
                Ok(format!("the container `{}` is there", remote.container))
            }
        }
    }

    /// Removes a blob or file, or with `recursive` all below a folder or of a pattern. Without `yes` nothing is
    /// removed: the error says what would be.
    pub fn blob_rm(&self, location: &str, recursive: bool, yes: bool, access: &Access) -> Result<String> {
        let (items, root) = self.all_items(location, access)?;
        if root.is_some() && !recursive {
            return Err(Error::new(
                "BlobError",
                format!("{} names {} files: --recursive removes them all", shown(location), items.len()),
            ));
        }
        let bytes = size(items.iter().map(|item| item.bytes).sum());
        let names: Vec<&str> = items.iter().map(|item| item.name.as_str()).take(5).collect();
        let more =
            if items.len() > names.len() { format!(" and {} more", items.len() - names.len()) } else { String::new() };
        let what = format!("{} file(s), {bytes}: {}{more}", items.len(), names.join(", "));
        if !yes {
            return Err(Error::new("BlobError", format!("nothing is removed yet. --yes removes {what}")));
        }
        for item in &items {
            if self.cancel.is_cancelled() {
                return Err(Error::cancelled());
            }
            match &item.place {
                ItemPlace::Local(path) => {
                    std::fs::remove_file(path).map_err(|error| Error::io("remove", path, &error))?;
                }
                ItemPlace::Remote(remote, _) => {
                    wait(&self.cancel, async { Ok(remote.account.delete(&remote.container, &remote.path).await?) })?;
                }
            }
        }
        Ok(format!("removed {what}"))
    }

    /// The text of a file, unpacked; with `lines`, only the first ones. Control characters of terminals are left out.
    ///
    /// Errors: more text than a person reads, or none.
    pub fn blob_text(&self, location: &str, lines: Option<usize>, access: &Access) -> Result<String> {
        let (items, root) = self.all_items(location, access)?;
        let [item] = &items[..] else {
            return Err(Error::new("BlobError", format!("{} names {} files: name one", shown(location), items.len())));
        };
        if root.is_some() && items.len() > 1 {
            return Err(Error::new("BlobError", format!("{} is a folder: name a file in it", shown(location))));
        }
        let item = item.clone();
        let bytes = self.cancel.run(move |_| text_of(&item, lines))?;
        let name = shown(location);
        if lines.is_none() && bytes.len() > LONGEST_TEXT {
            return Err(Error::new(
                "BlobError",
                format!("{name} has more than 1 MB of text: `%blob head` shows its begin, `%blob get` copies it"),
            ));
        }
        let text = String::from_utf8(bytes).map_err(|_| {
            Error::new(
                "BlobError",
                format!("{name} is no UTF-8 text: `%blob get` copies it, `%blob read` reads tables"),
            )
        })?;
        Ok(text.chars().filter(|letter| !letter.is_control() || matches!(letter, '\n' | '\t')).collect())
    }

    /// Every file that a location names, and the folder where it names more than a file.
    fn all_items(&self, location: &str, access: &Access) -> Result<(Vec<Item>, Option<String>)> {
        let place = self.blob_place(location, access)?;
        let (items, root) = match &place {
            Place::Local(path) => {
                let root = (!path.is_file()).then(|| format!("{}/", folder_of(&path.to_string_lossy())));
                (local_files(path)?, root)
            }
            Place::Remote(remote) => {
                let items = self.every_remote_item(remote)?;
                let is_blob =
                    matches!(&items[..], [only] if only.name == format!("{}/{}", remote.container, remote.path));
                let folder = match remote.path.is_empty() {
                    true => String::new(),
                    false => format!("{}/", folder_of(&remote.path)),
                };
                (items, (!is_blob).then(|| format!("{}/{folder}", remote.container)))
            }
        };
        if items.is_empty() {
            return Err(Error::new("BlobError", format!("there is no file at {}", shown(location))));
        }
        Ok((items, root))
    }

    fn copy(&self, copies: &[(Item, Place)], overwrite: bool) -> Result<String> {
        let progress = Arc::new(Progress::default());
        let bytes = copies.iter().map(|(item, _)| item.bytes).sum();
        progress.begin(copies.len(), bytes);
        self.with_progress(&progress, |cancel| {
            for (item, target) in copies {
                copy_one(item, target, overwrite, &progress, cancel)
                    .map_err(|error| if cancel.is_cancelled() { Error::cancelled() } else { error })?;
                progress.files.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
            Ok(())
        })?;
        let names: Vec<String> = copies.iter().take(3).map(|(_, target)| target.name()).collect();
        let more = if copies.len() > names.len() { ", ..." } else { "" };
        Ok(format!("{} file(s), {}: {}{more}", grouped(copies.len() as u64), size(bytes), names.join(", ")))
    }
}

fn copy_one(
    item: &Item,
    target: &Place,
    overwrite: bool,
    progress: &Arc<Progress>,
    cancel: &CancelToken,
) -> Result<()> {
    let mut reader = whole(item, progress)?;
    let mut sink = Sink::create(target, Some(item.bytes), overwrite, cancel)?;
    let mut buffer = vec![0; BUFFER];
    loop {
        if cancel.is_cancelled() {
            return Err(Error::cancelled());
        }
        let read = reader
            .read(&mut buffer)
            .map_err(|error| Error::new("BlobError", format!("cannot read {} to its end: {error}", item.name)))?;
        if read == 0 {
            return sink.finish();
        }
        sink.write_all(&buffer[..read]).map_err(|error| failed(error, &target.name()))?;
    }
}

/// A little more than the longest text, or so many lines.
fn text_of(item: &Item, lines: Option<usize>) -> Result<Vec<u8>> {
    let fail = |error: std::io::Error| Error::new("BlobError", format!("cannot read {}: {error}", item.name));
    let mut reader =
        BufReader::new(unpacked(whole(item, &Arc::default())?).map_err(fail)?).take(LONGEST_TEXT as u64 + 1);
    let mut bytes = Vec::new();
    match lines {
        None => drop(reader.read_to_end(&mut bytes).map_err(fail)?),
        Some(lines) => {
            for _ in 0..lines {
                if reader.read_until(b'\n', &mut bytes).map_err(fail)? == 0 {
                    break;
                }
            }
        }
    }
    Ok(bytes)
}

/// Of a pattern, the folder that it is in.
fn folder_of(path: &str) -> &str {
    let folder = super::pattern::split(path).map_or(path, |(folder, _)| folder);
    folder.trim_end_matches('/')
}

fn below<'n>(name: &'n str, root: &str) -> &'n str {
    name.strip_prefix(root).unwrap_or(name)
}

/// The path of a blob in a folder. Names are not ours: none may lead out of it, and none become another's.
fn inside(folder: &Path, name: &str) -> Result<PathBuf> {
    let is_safe = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\\', '\0', ':']);
    if !name.split('/').all(is_safe) {
        return Err(Error::new(
            "BlobError",
            format!("{name:?} cannot be the name of a file here: copy it alone, to a name of your own"),
        ));
    }
    Ok(folder.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_blob_is_copied_out_of_the_folder() {
        let folder = Path::new("/tmp/x");
        assert_eq!(inside(folder, "a/b.json").unwrap(), Path::new("/tmp/x/a/b.json"));
        for name in ["../a", "a/../../b", "/etc/passwd", "a//b", "a\\..\\b", "c:x", "a/\0", ""] {
            assert!(inside(folder, name).is_err(), "{name:?}");
        }
    }
}
