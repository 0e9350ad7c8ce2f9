use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::WorkspaceError;

/// How long an append waits for another one: appends take milliseconds, so a longer wait means a stuck process.
const PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

/// Held while rows are appended; released by the system when the process dies.
#[derive(Debug)]
pub(crate) struct WriteLock {
    _file: File,
}

impl WriteLock {
    pub(crate) fn acquire(folder: &Path) -> Result<WriteLock, WorkspaceError> {
        WriteLock::acquire_within(folder, PATIENCE)
    }

    fn acquire_within(folder: &Path, patience: Duration) -> Result<WriteLock, WorkspaceError> {
        let path = folder.join(".lock");
        let fail = |error| WorkspaceError::io("lock", &path, error);
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(fail)?;
        let began = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(fail(error)),
                Err(TryLockError::WouldBlock) if began.elapsed() < patience => std::thread::sleep(POLL),
                Err(TryLockError::WouldBlock) => {
                    let mut holder = String::new();
                    let _ = file.read_to_string(&mut holder);
                    let holder = if holder.trim().is_empty() { "unknown".to_owned() } else { holder.trim().to_owned() };
                    let seconds = patience.as_secs();
                    return Err(WorkspaceError::Locked { folder: folder.to_owned(), holder, seconds });
                }
            }
        }
        // Who holds it is only for the message of whoever waits in vain: a full disk must not stop us here.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "process {}", std::process::id()));
        Ok(WriteLock { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_writer_is_told_who_holds_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let first = WriteLock::acquire(folder.path()).unwrap();
        let error = WriteLock::acquire_within(folder.path(), Duration::from_millis(50)).unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        drop(first);
        WriteLock::acquire_within(folder.path(), Duration::ZERO).unwrap();
    }
}
