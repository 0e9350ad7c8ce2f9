//! How far a read is.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::Thread;
use std::time::{Duration, Instant};

use crate::{CancelToken, Display, Engine, Result};

/// Shorter work shows nothing.
const SILENT: Duration = Duration::from_secs(2);
const INTERVAL: Duration = Duration::from_millis(500);
/// How soon an interrupt is noticed.
const LOOK: Duration = Duration::from_millis(20);

/// Counted by the threads that do the work.
#[derive(Default)]
pub(crate) struct Progress {
    pub(crate) files: AtomicU64,
    /// As they are stored
    pub(crate) bytes: AtomicU64,
    pub(crate) rows: AtomicU64,
    pub(crate) of_files: AtomicU64,
    pub(crate) of_bytes: AtomicU64,
    /// The cell was interrupted: waits for the network end.
    pub(crate) stopped: AtomicBool,
}

impl Progress {
    pub(crate) fn begin(&self, files: usize, bytes: u64) {
        self.of_files.store(files as u64, Relaxed);
        self.of_bytes.store(bytes, Relaxed);
    }

    /// `12 of 300 files, 0.6 of 14.1 GB, 1,200,000 rows, 310 MB/s, 43 s left`
    fn text(&self, elapsed: Duration) -> String {
        let (bytes, of_bytes) = (self.bytes.load(Relaxed), self.of_bytes.load(Relaxed));
        let seconds = elapsed.as_secs_f64().max(0.001);
        let rate = bytes as f64 / seconds;
        let left = if rate > 0.0 && of_bytes > bytes {
            format!(", {:.0} s left", (of_bytes - bytes) as f64 / rate)
        } else {
            String::new()
        };
        let rows = self.rows.load(Relaxed);
        let rows = if rows > 0 { format!(", {} rows", grouped(rows)) } else { String::new() };
        format!(
            "{} of {} files, {} of {}{rows}, {}/s{left}",
            self.files.load(Relaxed),
            self.of_files.load(Relaxed),
            size(bytes),
            size(of_bytes),
            size(rate as u64)
        )
    }
}

/// `1.5 GB`
pub fn size(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes {
        bytes if bytes >= 1e9 => format!("{:.1} GB", bytes / 1e9),
        bytes if bytes >= 1e6 => format!("{:.1} MB", bytes / 1e6),
        bytes if bytes >= 1e3 => format!("{:.1} kB", bytes / 1e3),
        bytes => format!("{bytes} B"),
    }
}

pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let lead = digits.len() % 3;
    let (first, rest) = digits.split_at(lead);
    let groups = rest.as_bytes().chunks(3).filter_map(|group| std::str::from_utf8(group).ok());
    let parts: Vec<&str> = Some(first).filter(|first| !first.is_empty()).into_iter().chain(groups).collect();
    parts.join(",")
}

impl Engine {
    /// Runs `work` while its progress is shown, if it takes longer than a moment.
    pub(super) fn with_progress<T>(
        &self,
        progress: &Progress,
        work: impl FnOnce(&CancelToken) -> Result<T>,
    ) -> Result<T> {
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let watcher = scope.spawn(|| self.watch(progress, &done));
            // However the work ends.
            let _end = Ends { done: &done, watcher: watcher.thread().clone() };
            work(&self.cancel)
        })
    }

    fn watch(&self, progress: &Progress, done: &AtomicBool) {
        let began = Instant::now();
        let id = format!("blob-{}", uuid::Uuid::new_v4().simple());
        let mut next = SILENT;
        let mut shown = false;
        loop {
            let ends = done.load(Relaxed);
            if self.cancel.is_cancelled() {
                progress.stopped.store(true, Relaxed);
            }
            if (ends && shown) || (!ends && began.elapsed() >= next) {
                let text = if ends { String::new() } else { progress.text(began.elapsed()) };
                let mut display = Display::new([("text/plain", text)]);
                (display.display_id, display.update) = (Some(id.clone()), shown);
                self.notifier().show_if_watched(display);
                shown = true;
                next = began.elapsed() + INTERVAL;
            }
            if ends {
                return;
            }
            std::thread::park_timeout(LOOK);
        }
    }
}

struct Ends<'e> {
    done: &'e AtomicBool,
    watcher: Thread,
}

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.done.store(true, Relaxed);
        self.watcher.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_counts_read_well() {
        assert_eq!(
            [0, 999, 1500, 2_000_000, 14_100_000_000].map(size),
            ["0 B", "999 B", "1.5 kB", "2.0 MB", "14.1 GB"]
        );
        assert_eq!([0, 12, 1234, 123_456, 1_234_567].map(grouped), ["0", "12", "1,234", "123,456", "1,234,567"]);
        let progress = Progress::default();
        progress.begin(3, 3_000_000);
        progress.bytes.store(1_000_000, Relaxed);
        assert_eq!(progress.text(Duration::from_secs(1)), "0 of 3 files, 1.0 MB of 3.0 MB, 1.0 MB/s, 2 s left");
    }
}
