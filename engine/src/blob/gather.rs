//! Many files of JSON lines into columns, on all cores, with a bound on what is in memory.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

use super::json::{BadLines, Decoded, Decoder, Selection};
use super::progress::{Progress, size};
use super::source::{Item, ItemPlace, Part, Source};
use huntbook_kql::CancelToken;

use crate::{Error, Result};

/// Blobs that are downloaded at a time: each has a few megabytes waiting.
const DOWNLOADS: usize = 8;
/// Bad lines that are named.
const NAMED: usize = 10;

/// How files are read.
pub(super) struct Reading<'r> {
    pub(super) selection: &'r Selection,
    pub(super) bad_lines: BadLines,
    /// Bytes that the rows may take
    pub(super) memory: Option<u64>,
    /// Where bad lines are put, with [`BadLines::Quarantine`]
    pub(super) quarantine: Option<&'r Mutex<Box<dyn Write + Send>>>,
}

/// The rows of all files, in order, and what was left out.
pub(super) struct Gathered {
    pub(super) parts: Vec<Decoded>,
    pub(super) bad_lines: u64,
    /// `file, line 7: why`, the first ones
    pub(super) named: Vec<String>,
}

/// A file and a place in it: what comes first is told.
type Order = (usize, u64);
type Failure = (Order, Error);
/// Files that are read at present
type Open = Vec<(usize, Arc<Mutex<Source>>)>;

struct Shared<'r> {
    items: &'r [Item],
    reading: &'r Reading<'r>,
    progress: &'r Arc<Progress>,
    queue: Mutex<Queue>,
    done: Mutex<Vec<(Order, Decoded)>>,
    failure: Mutex<Option<Failure>>,
    bad: Mutex<Bad>,
    held: AtomicUsize,
    stopped: AtomicBool,
}

#[derive(Default)]
struct Queue {
    /// Not yet opened
    waiting: VecDeque<usize>,
    open: Open,
}

#[derive(Default)]
struct Bad {
    count: u64,
    named: Vec<(Order, String)>,
}

/// Reads the files. Rows come in the order of `items`, and within a file in its order.
///
/// Errors: a file that cannot be read to its end, a bad line where those are errors, more rows than memory.
pub(super) fn gather(
    items: &[Item],
    reading: &Reading<'_>,
    progress: &Arc<Progress>,
    cancel: &CancelToken,
) -> Result<Gathered> {
    progress.begin(items.len(), items.iter().map(|item| item.bytes).sum());
    let shared = Shared {
        items,
        reading,
        progress,
        queue: Mutex::new(Queue { waiting: (0..items.len()).collect(), open: Vec::new() }),
        done: Mutex::default(),
        failure: Mutex::default(),
        bad: Mutex::default(),
        held: AtomicUsize::new(0),
        stopped: AtomicBool::new(false),
    };
    let workers = std::thread::available_parallelism().map_or(2, usize::from).clamp(1, 16);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| shared.work(workers, cancel));
        }
    });
    if cancel.is_cancelled() {
        return Err(Error::cancelled());
    }
    if let Some((_, failure)) = take(&shared.failure) {
        return Err(failure);
    }
    let mut done = take(&shared.done);
    done.sort_by_key(|(order, _)| *order);
    let mut bad = take(&shared.bad);
    bad.named.sort();
    Ok(Gathered {
        parts: done.into_iter().map(|(_, decoded)| decoded).collect(),
        bad_lines: bad.count,
        named: bad.named.into_iter().take(NAMED).map(|(_, text)| text).collect(),
    })
}

impl Shared<'_> {
    fn work(&self, workers: usize, cancel: &CancelToken) {
        let mut decoder = Decoder::new(self.reading.selection, self.reading.bad_lines);
        while !self.stopped.load(Relaxed) && !cancel.is_cancelled() {
            match self.next_part(workers) {
                Ok(Some((file, part))) => {
                    let decoded = decoder.decode(&part.bytes);
                    self.take_in(file, &part, decoded);
                }
                Ok(None) => return,
                Err((order, error)) => return self.fail(order, error),
            }
        }
    }

    /// Lines of whichever file has some at once; opens files ahead of need.
    fn next_part(&self, workers: usize) -> std::result::Result<Option<(usize, Part)>, Failure> {
        loop {
            let open = self.open_ahead(workers)?;
            let Some((first_file, first)) = open.first() else { return Ok(None) };
            let free = open.iter().find_map(|(file, source)| Some((*file, source, source.try_lock().ok()?)));
            let (file, source, mut reader) = match free {
                Some(free) => free,
                None => (*first_file, first, lock(first)),
            };
            match reader.next() {
                Ok(Some(part)) => return Ok(Some((file, part))),
                Ok(None) => {
                    drop(reader);
                    self.close(source);
                }
                Err(error) => return Err(((file, u64::MAX), error)),
            }
        }
    }

    fn open_ahead(&self, workers: usize) -> std::result::Result<Open, Failure> {
        let mut queue = lock(&self.queue);
        while let Some(next) = queue.waiting.front().copied() {
            let is_remote = matches!(self.items[next].place, ItemPlace::Remote(..));
            if queue.open.len() >= if is_remote { DOWNLOADS.max(workers) } else { workers } {
                break;
            }
            queue.waiting.pop_front();
            let source = Source::open(&self.items[next], self.progress).map_err(|error| ((next, 0), error))?;
            queue.open.push((next, Arc::new(Mutex::new(source))));
        }
        Ok(queue.open.clone())
    }

    fn close(&self, source: &Arc<Mutex<Source>>) {
        let mut queue = lock(&self.queue);
        let before = queue.open.len();
        queue.open.retain(|(_, open)| !Arc::ptr_eq(open, source));
        // Another worker may have found the end, too.
        if queue.open.len() < before {
            self.progress.files.fetch_add(1, Relaxed);
        }
    }

    fn take_in(&self, file: usize, part: &Part, mut decoded: Decoded) {
        let name = &self.items[file].name;
        for bad in std::mem::take(&mut decoded.bad) {
            let line = part.first_line + bad.line;
            let text = format!("{name}, line {line}: {}", bad.problem);
            match self.reading.bad_lines {
                BadLines::Error => {
                    let advice = "--bad-lines skip leaves such lines out, --bad-lines quarantine keeps them in a file";
                    return self.fail((file, line), Error::new("BlobError", format!("{text}. {advice}")));
                }
                BadLines::Skip => {}
                BadLines::Quarantine => {
                    if let Err(error) = self.quarantine(name, line, &bad.problem, &bad.bytes) {
                        return self.fail((file, line), error);
                    }
                }
            }
            let mut all = lock(&self.bad);
            all.count += 1;
            // Parts come in any order: enough are kept that the first ones are among them.
            if all.named.len() < 100 * NAMED {
                all.named.push(((file, line), text));
            }
        }
        self.progress.rows.fetch_add(decoded.rows as u64, Relaxed);
        if decoded.columns.is_empty() && decoded.rows == 0 {
            return;
        }
        let bytes: usize = decoded.columns.iter().map(|(_, cells)| cells.size()).sum();
        let held = self.held.fetch_add(bytes, Relaxed) + bytes;
        if let Some(memory) = self.reading.memory
            && held as u64 > memory
        {
            let message = format!(
                "the rows read so far take more than {}: read fewer columns (--columns), rows (--where, --from, --to), or give --memory",
                size(memory)
            );
            return self.fail((file, part.first_line), Error::new("BlobError", message));
        }
        lock(&self.done).push(((file, part.at), decoded));
    }

    /// `{"file", "line", "problem", "text"}`, one object per bad line.
    fn quarantine(&self, name: &str, line: u64, problem: &str, bytes: &[u8]) -> Result<()> {
        let Some(file) = self.reading.quarantine else { return Ok(()) };
        let text = String::from_utf8_lossy(bytes);
        let record = serde_json::json!({"file": name, "line": line, "problem": problem, "text": text});
        writeln!(lock(file), "{record}")
            .map_err(|error| Error::new("IoError", format!("cannot write the file for bad lines: {error}")))
    }

    /// Of several failures, the first one in the order of the files is told.
    fn fail(&self, order: Order, error: Error) {
        self.stopped.store(true, Relaxed);
        let mut failure = lock(&self.failure);
        if failure.as_ref().is_none_or(|(known, _)| order < *known) {
            *failure = Some((order, error));
        }
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn take<T: Default>(mutex: &Mutex<T>) -> T {
    std::mem::take(&mut *lock(mutex))
}
