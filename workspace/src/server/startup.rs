//! What must be there before the server answers: one server per folder, secrets in files, an id.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD};
use ring::rand::{SecureRandom, SystemRandom};

use super::ServeError;
use super::auth::{Secret, SharedKey};

/// Held as long as the server runs; released by the system when the process dies.
#[derive(Debug)]
pub(crate) struct OnlyServer {
    _file: File,
}

/// The server's own folder in the workspace: nobody else may read it.
pub(crate) fn own_folder(workspace: &Path) -> Result<PathBuf, ServeError> {
    let folder = workspace.join(".serve");
    match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(ServeError::io("make the folder", &folder, error))
        }
        _ => Ok(folder),
    }
}

impl OnlyServer {
    pub(crate) fn take(folder: &Path, workspace: &Path) -> Result<OnlyServer, ServeError> {
        let path = folder.join("lock");
        let fail = |error| ServeError::io("lock", &path, error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(fail)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(fail(error)),
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                return Err(ServeError::Taken { folder: workspace.to_owned(), holder: holder.trim().to_owned() });
            }
        }
        // Who holds it is only for the message of whoever comes second.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "process {}", std::process::id()));
        Ok(OnlyServer { _file: file })
    }
}

/// The token: read from the file that the user names, or made anew.
pub(crate) fn token(named: Option<&Path>, own: &Path) -> Result<(Secret, PathBuf), ServeError> {
    let (text, path) = secret(named, &own.join("token"), || Ok(URL_SAFE_NO_PAD.encode(random::<32>()?)))?;
    Ok((Secret::new(text), path))
}

/// The data collector's key: read from the file that the user names, or made anew.
pub(crate) fn shared_key(named: Option<&Path>, own: &Path) -> Result<(SharedKey, PathBuf), ServeError> {
    let (text, path) = secret(named, &own.join("shared-key"), || Ok(BASE64.encode(random::<64>()?)))?;
    let key = SharedKey::decode(&text).ok_or_else(|| ServeError::NotBase64 { path: path.clone() })?;
    Ok((key, path))
}

fn random<const N: usize>() -> Result<[u8; N], ServeError> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| ServeError::NoRandomness)?;
    Ok(bytes)
}

fn secret(
    named: Option<&Path>,
    own: &Path,
    make: impl Fn() -> Result<String, ServeError>,
) -> Result<(String, PathBuf), ServeError> {
    let path = std::path::absolute(named.unwrap_or(own)).map_err(|error| ServeError::io("find", own, error))?;
    if named.is_some() && path.exists() {
        return Ok((read_secret(&path)?, path));
    }
    if named.is_none() {
        // That of an earlier server, which has ended: we hold the lock.
        let _ = std::fs::remove_file(&path);
    }
    let text = make()?;
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(NO_FOLLOW)
        .open(&path)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error| ServeError::io("write the secret", &path, error))?;
    Ok((text, path))
}

/// `O_NOFOLLOW`: a link in place of the file must not lead elsewhere.
#[cfg(target_os = "linux")]
const NO_FOLLOW: i32 = 0o400_000;
#[cfg(not(target_os = "linux"))]
const NO_FOLLOW: i32 = 0x100;

fn read_secret(path: &Path) -> Result<String, ServeError> {
    let fail = |error| ServeError::io("read the secret", path, error);
    let mut file = OpenOptions::new().read(true).custom_flags(NO_FOLLOW).open(path).map_err(fail)?;
    let mode = file.metadata().map_err(fail)?.mode();
    if mode & 0o077 != 0 {
        return Err(ServeError::OpenSecret { path: path.to_owned(), mode: mode & 0o777 });
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(fail)?;
    let text = text.trim().to_owned();
    if text.is_empty() { Err(ServeError::EmptySecret { path: path.to_owned() }) } else { Ok(text) }
}

/// The workspace's id: the user's, or the one that the folder has had since its first server.
pub(crate) fn workspace_id(given: Option<uuid::Uuid>, own: &Path) -> Result<String, ServeError> {
    let path = own.join("workspace-id");
    let kept = std::fs::read_to_string(&path).ok().and_then(|text| uuid::Uuid::parse_str(text.trim()).ok());
    let id = given.or(kept).unwrap_or_else(uuid::Uuid::new_v4);
    if kept != Some(id) {
        std::fs::write(&path, format!("{id}\n")).map_err(|error| ServeError::io("write", &path, error))?;
    }
    Ok(id.to_string())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn secrets_are_made_for_their_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let own = own_folder(folder.path()).unwrap();
        let (_, path) = token(None, &own).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let first = std::fs::read_to_string(&path).unwrap();
        assert!(token(None, &own).unwrap().0.is(std::fs::read_to_string(&path).unwrap().as_bytes()));
        assert_ne!(first, std::fs::read_to_string(&path).unwrap(), "every server makes its own");
        shared_key(None, &own).unwrap();
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        std::fs::write(&path, "secret\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = token(Some(&path), folder.path()).err().unwrap().to_string();
        assert!(error.contains("chmod 600") && !error.contains("secret\n"), "{error}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(token(Some(&path), folder.path()).unwrap().0.is(b"secret"));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(token(Some(&link), folder.path()).is_err());
    }

    #[test]
    fn a_second_server_is_told_of_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let first = OnlyServer::take(folder.path(), folder.path()).unwrap();
        let error = OnlyServer::take(folder.path(), folder.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        drop(first);
        OnlyServer::take(folder.path(), folder.path()).unwrap();
    }

    #[test]
    fn the_workspace_keeps_its_id() {
        let folder = tempfile::tempdir().unwrap();
        let made = workspace_id(None, folder.path()).unwrap();
        assert_eq!(workspace_id(None, folder.path()).unwrap(), made);
        let given = uuid::Uuid::new_v4();
        assert_eq!(workspace_id(Some(given), folder.path()).unwrap(), given.to_string());
        assert_eq!(workspace_id(None, folder.path()).unwrap(), given.to_string());
    }
}
