//! What was run, in this session and in earlier ones: a file of JSON lines that every kernel of a user appends to.
//!
//! A line is read for itself, so that one which a crash or another program damaged costs only itself. Whoever
//! writes holds a lock beside the file; readers take none.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::redaction;

/// A file that has grown larger loses its older half.
const MAX_BYTES: u64 = 4 << 20;
/// A longer cell is remembered by its own session only.
const MAX_INPUT: usize = 64 << 10;
const MAX_OUTPUT: usize = 4 << 10;
/// What one session remembers.
const MAX_OWN: usize = 10_000;
/// Number of the last session that a damaged or forged line may claim.
const MAX_SESSION: u64 = i32::MAX as u64;
/// Another kernel writes for a moment only: one that holds the lock longer is stuck, and cells do not wait for it.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
const LOCK_POLL: Duration = Duration::from_millis(5);

/// One cell that was run. Line 0 is none: it says that a session with this number has begun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) session: u64,
    pub(crate) line: u64,
    pub(crate) input: String,
    /// Plain text of the cell's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) output: Option<String>,
}

pub(crate) struct History {
    /// `None`: nothing is kept beyond this session.
    file: Option<PathBuf>,
    session: u64,
    own: Mutex<Vec<Entry>>,
}

impl History {
    /// Begins a session. A history that cannot be kept is no reason not to start.
    pub(crate) fn open(file: Option<PathBuf>) -> History {
        let claimed = file.as_deref().map(claim_session);
        let (file, session) = match claimed {
            Some(Ok(session)) => (file, session),
            Some(Err(error)) => {
                tracing::warn!("the history is not kept: {error}");
                (None, 1)
            }
            None => (None, 1),
        };
        History { file, session, own: Mutex::default() }
    }

    /// What the text is known to hold of secrets is left out.
    pub(crate) fn record(&self, line: u64, input: &str, output: Option<&str>) {
        let input = redaction::text(input.to_owned());
        let entry = Entry {
            session: self.session,
            line,
            input,
            output: output.map(|text| clipped(text, MAX_OUTPUT).to_owned()),
        };
        if let Some(file) = &self.file
            && entry.input.len() <= MAX_INPUT
            && let Err(error) = append(file, &entry)
        {
            tracing::warn!("a cell is missing in the history file: {error}");
        }
        let mut own = self.own();
        if own.len() >= MAX_OWN {
            own.drain(..MAX_OWN / 2);
        }
        own.push(entry);
    }

    /// This session's cells: their numbers and texts.
    pub(crate) fn inputs(&self) -> Vec<(u64, String)> {
        self.own().iter().map(|entry| (entry.line, entry.input.clone())).collect()
    }

    /// The last `n` cells, oldest first.
    pub(crate) fn tail(&self, n: usize) -> Vec<Entry> {
        last(self.all(), n)
    }

    /// Lines `start..stop` of a session; 0 and below count back from this session, as a negative line does from the
    /// session's end.
    pub(crate) fn range(&self, session: i64, start: i64, stop: Option<i64>) -> Vec<Entry> {
        let wanted = if session > 0 { session } else { session.saturating_add_unsigned(self.session) };
        let mut entries = self.all();
        entries.retain(|entry| i64::try_from(entry.session) == Ok(wanted));
        let end = entries.iter().map(line_of).max().unwrap_or(0).saturating_add(1);
        let from_end = |line: i64| if line < 0 { end.saturating_add(line) } else { line };
        let lines = from_end(start)..stop.map_or(end, from_end);
        entries.retain(|entry| lines.contains(&line_of(entry)));
        entries
    }

    /// The last `n` cells whose whole text matches; `unique` leaves only the latest of equal ones.
    pub(crate) fn search(&self, pattern: &str, n: Option<usize>, unique: bool) -> Vec<Entry> {
        let mut found = self.all();
        found.retain(|entry| matches(pattern, &entry.input));
        if unique {
            let mut seen = std::collections::HashSet::new();
            found.reverse();
            found.retain(|entry| seen.insert(entry.input.clone()));
            found.reverse();
        }
        last(found, n.unwrap_or(usize::MAX))
    }

    /// Other sessions' cells as the file has them, then our own: what was typed here comes last, whoever else writes.
    fn all(&self) -> Vec<Entry> {
        let mut entries = match self.file.as_deref().map(read) {
            Some(Ok(entries)) => entries,
            Some(Err(error)) => {
                tracing::warn!("the history file cannot be read: {error}");
                Vec::new()
            }
            None => Vec::new(),
        };
        entries.retain(|entry| entry.line > 0 && entry.session != self.session);
        entries.extend(self.own().iter().cloned());
        entries
    }

    fn own(&self) -> std::sync::MutexGuard<'_, Vec<Entry>> {
        self.own.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

fn line_of(entry: &Entry) -> i64 {
    i64::try_from(entry.line).unwrap_or(i64::MAX)
}

fn last(mut entries: Vec<Entry>, n: usize) -> Vec<Entry> {
    entries.drain(..entries.len().saturating_sub(n));
    entries
}

/// The number after the highest one used, written down at once, so that no other kernel takes it.
fn claim_session(file: &Path) -> io::Result<u64> {
    if let Some(folder) = file.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let _lock = lock(file)?;
    let session = read(file)?.iter().map(|entry| entry.session).max().unwrap_or(0) + 1;
    append_locked(file, &Entry { session, line: 0, input: String::new(), output: None })?;
    Ok(session)
}

fn append(file: &Path, entry: &Entry) -> io::Result<()> {
    let _lock = lock(file)?;
    append_locked(file, entry)
}

fn append_locked(path: &Path, entry: &Entry) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    // What people type is theirs alone, also in a file that somebody made by hand.
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    let size = file.seek(SeekFrom::End(0))?;
    let mut text = serde_json::to_vec(entry)?;
    text.push(b'\n');
    if size > 0 {
        let mut end = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut end)?;
        if end != *b"\n" {
            // The line before was cut short: it must not take this one along.
            text.insert(0, b'\n');
        }
    }
    file.write_all(&text)?;
    if size > MAX_BYTES { forget_older_half(path) } else { Ok(()) }
}

/// The new file is complete before it takes the old one's name: a crash loses nothing.
fn forget_older_half(path: &Path) -> io::Result<()> {
    let (mut kept, mut size) = (Vec::new(), 0);
    for entry in read(path)?.iter().rev() {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        size += line.len() as u64;
        if size > MAX_BYTES / 2 {
            break;
        }
        kept.push(line);
    }
    kept.reverse();
    let smaller = beside(path, "new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&smaller)?;
    file.write_all(&kept.concat())?;
    file.sync_all()?;
    std::fs::rename(&smaller, path)
}

/// All lines that are whole; of a file that is much too large, the end.
fn read(path: &Path) -> io::Result<Vec<Entry>> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened?,
    };
    let size = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(size.saturating_sub(2 * MAX_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(2 * MAX_BYTES).read_to_end(&mut bytes)?;
    let entries = bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Entry>(line).ok());
    Ok(entries.filter(|entry| (1..MAX_SESSION).contains(&entry.session)).collect())
}

/// Held until dropped; the system releases it when the process dies.
fn lock(path: &Path) -> io::Result<File> {
    let path = beside(path, "lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if began.elapsed() < LOCK_PATIENCE => std::thread::sleep(LOCK_POLL),
            Err(TryLockError::WouldBlock) => return Err(io::Error::other("another kernel holds its lock")),
        }
    }
}

fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}

fn clipped(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// `*` is any text, `?` any character; all else is itself, brackets too: code is full of them.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at_pattern, mut at_text) = (0, 0);
    // Where to go on when what follows the last `*` does not fit: one character further.
    let mut retry: Option<(usize, usize)> = None;
    while at_text < text.len() {
        match pattern.get(at_pattern) {
            Some('*') => {
                retry = Some((at_pattern + 1, at_text));
                at_pattern += 1;
            }
            Some(wanted) if *wanted == '?' || *wanted == text[at_text] => {
                at_pattern += 1;
                at_text += 1;
            }
            _ => {
                let Some((after_star, from)) = retry else { return false };
                retry = Some((after_star, from + 1));
                (at_pattern, at_text) = (after_star, from + 1);
            }
        }
    }
    pattern[at_pattern..].iter().all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(entries: &[Entry]) -> Vec<&str> {
        entries.iter().map(|entry| entry.input.as_str()).collect()
    }

    #[test]
    fn sessions_are_numbered_and_seen_by_later_ones() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/history.jsonl");
        let first = History::open(Some(file.clone()));
        first.record(1, "a", Some("1"));
        let second = History::open(Some(file.clone()));
        second.record(1, "b", None);
        first.record(2, "c", None);
        assert_eq!(inputs(&second.tail(10)), ["a", "c", "b"]);
        assert_eq!(inputs(&second.tail(1)), ["b"]);
        assert_eq!(second.tail(3)[0], Entry { session: 1, line: 1, input: "a".into(), output: Some("1".into()) });
        assert_eq!(inputs(&second.range(-1, 2, None)), ["c"]);
        assert_eq!(inputs(&second.range(1, 1, Some(2))), ["a"]);
        assert_eq!(inputs(&first.range(0, -1, None)), ["c"]);
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn damaged_lines_cost_only_themselves() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("history.jsonl");
        let first = History::open(Some(file.clone()));
        first.record(1, "kept", None);
        let forged = format!("{{\"session\":{},\"line\":1,\"input\":\"forged\"}}\n", u64::MAX);
        let damage = [b"\xff\xfe no text\n".as_slice(), forged.as_bytes(), b"{\"session\":1,\"line\":2,\"inp"].concat();
        OpenOptions::new().append(true).open(&file).unwrap().write_all(&damage).unwrap();
        first.record(2, "after", None);
        let second = History::open(Some(file));
        assert_eq!(inputs(&second.tail(10)), ["kept", "after"]);
        assert_eq!(second.session, 2);
    }

    #[test]
    fn the_file_stays_small() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("history.jsonl");
        let history = History::open(Some(file.clone()));
        let long = "x".repeat(MAX_INPUT);
        for line in 1..=100 {
            history.record(line, &long, None);
        }
        history.record(101, &"y".repeat(MAX_INPUT + 1), None);
        assert!(std::fs::metadata(&file).unwrap().len() <= MAX_BYTES + 2 * MAX_INPUT as u64);
        let later = History::open(Some(file)).tail(1000);
        assert_eq!(later.last().unwrap().line, 100);
        assert!(later.len() > 20);
    }

    #[test]
    fn without_a_file_the_session_remembers() {
        let history = History::open(None);
        for (line, input) in (1..).zip(["1+2+3", "vec![1]", "1+2+3"]) {
            history.record(line, input, None);
        }
        assert_eq!(history.search("1?2*", None, false).len(), 2);
        let unique = history.search("*", None, true);
        assert_eq!(unique.iter().map(|entry| entry.line).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(inputs(&history.search("*", Some(1), false)), ["1+2+3"]);
    }

    #[test]
    fn patterns_match_the_whole_text() {
        for (pattern, text) in [("*", ""), ("a*c", "abbc"), ("a*b*c", "aXbYbc"), ("v[1]", "v[1]"), ("?", "é")] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("a", "ab"), ("?", ""), ("v[12]", "v1"), ("*b", "abc")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}
