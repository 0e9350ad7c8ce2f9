//! Files as parts of whole lines, a few megabytes each, wherever they are and however they are packed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;

use super::progress::Progress;
use super::stores::Remote;
use super::wait::runtime;
use crate::{Error, Result};

/// Bytes of a part, more or less: enough to be worth a thread's while, few enough to be in memory many times.
pub(super) const PART: usize = 4 << 20;
/// A longer line is no line of a log.
const LONGEST_LINE: usize = 256 << 20;
/// Pieces of a download that wait to be decoded.
const WAITING: usize = 4;
const PIECE: usize = 1 << 20;
/// How soon an interrupt is noticed.
const LOOK: Duration = Duration::from_millis(20);

/// A file that is to be read.
#[derive(Clone)]
pub(crate) struct Item {
    /// For messages
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) place: ItemPlace,
}

#[derive(Clone)]
pub(crate) enum ItemPlace {
    Local(PathBuf),
    /// The blob's path, and its ETag where it is known: then only that version is read.
    Remote(Box<Remote>, String),
}

/// Whole lines of a file.
pub(super) struct Part {
    /// Counted from 0 in its file
    pub(super) at: u64,
    /// The number of its first line, from 1
    pub(super) first_line: u64,
    pub(super) bytes: Vec<u8>,
}

/// A file that is being read.
pub(super) struct Source {
    name: String,
    reader: Box<dyn Read + Send>,
    /// The begin of a line that the last part ended in
    rest: Vec<u8>,
    at: u64,
    next_line: u64,
    is_done: bool,
}

impl Source {
    /// Opens a file. Gzip and zstd are told by their first bytes, not by the name.
    pub(super) fn open(item: &Item, progress: &Arc<Progress>) -> Result<Source> {
        let reader = unpacked(whole(item, progress)?).map_err(|error| unreadable(&item.name, &error))?;
        Ok(Source { name: item.name.clone(), reader, rest: Vec::new(), at: 0, next_line: 1, is_done: false })
    }

    /// The next lines; `None` at the end.
    ///
    /// Errors: a file that cannot be read or unpacked to its end.
    pub(super) fn next(&mut self) -> Result<Option<Part>> {
        if self.is_done {
            return Ok(None);
        }
        let mut bytes = std::mem::take(&mut self.rest);
        let mut wanted = PART;
        loop {
            let begin = bytes.len();
            let mut limited = (&mut self.reader).take(wanted.saturating_sub(begin) as u64);
            bytes.reserve(wanted.saturating_sub(begin));
            limited.read_to_end(&mut bytes).map_err(|error| unreadable(&self.name, &error))?;
            if bytes.len() < wanted {
                self.is_done = true;
                break;
            }
            if let Some(end) = memchr::memrchr(b'\n', &bytes[begin..]) {
                self.rest = bytes.split_off(begin + end + 1);
                break;
            }
            if bytes.len() >= LONGEST_LINE {
                return Err(Error::new(
                    "BlobError",
                    format!("line {} of {} is longer than 256 MB: these are no JSON lines", self.next_line, self.name),
                ));
            }
            wanted *= 2;
        }
        if self.at == 0 {
            without_mark(&self.name, &mut bytes)?;
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        let part = Part { at: self.at, first_line: self.next_line, bytes };
        self.at += 1;
        self.next_line += memchr::memchr_iter(b'\n', &part.bytes).count() as u64;
        Ok(Some(part))
    }
}

/// A file as it is stored, counted while it is read.
pub(super) fn whole(item: &Item, progress: &Arc<Progress>) -> Result<impl Read + Send + use<>> {
    let inner: Box<dyn Read + Send> = match &item.place {
        ItemPlace::Local(path) => Box::new(File::open(path).map_err(|error| unreadable(&item.name, &error))?),
        ItemPlace::Remote(remote, etag) => Box::new(download(remote, etag, progress)?),
    };
    Ok(Counted { inner, progress: progress.clone() })
}

/// A byte order mark is no content; UTF-16 is no UTF-8.
fn without_mark(name: &str, bytes: &mut Vec<u8>) -> Result<()> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        let advice = "`iconv -f UTF-16 -t UTF-8` makes it";
        return Err(Error::new("BlobError", format!("{name} is UTF-16; what is read is UTF-8: {advice}")));
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    Ok(())
}

pub(super) fn unpacked(raw: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    let mut raw = BufReader::with_capacity(256 << 10, raw);
    let first = raw.fill_buf()?;
    if first.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(MultiGzDecoder::new(raw)));
    }
    if first.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return Ok(Box::new(zstd::stream::read::Decoder::with_buffer(raw)?));
    }
    Ok(Box::new(raw))
}

fn unreadable(name: &str, error: &io::Error) -> Error {
    let why = match error.kind() {
        // What flate2 and zstd say of a file whose end is missing.
        io::ErrorKind::UnexpectedEof => "it is cut short: copy it again".to_owned(),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => format!("it is damaged ({error})"),
        _ => error.to_string(),
    };
    Error::new("BlobError", format!("cannot read {name} to its end: {why}"))
}

/// Counts what is read, as it is stored.
struct Counted<R> {
    inner: R,
    progress: Arc<Progress>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.progress.bytes.fetch_add(read as u64, Relaxed);
        Ok(read)
    }
}

/// A blob that comes while it is read. The download waits when the reader is behind, and ends when the reader does.
struct Download {
    pieces: Receiver<std::result::Result<Bytes, String>>,
    piece: Bytes,
    progress: Arc<Progress>,
}

fn download(remote: &Remote, etag: &str, progress: &Arc<Progress>) -> Result<impl Read + Send + use<>> {
    let (sender, pieces) = sync_channel(WAITING);
    let (remote, etag) = (remote.clone(), etag.to_owned());
    runtime()?.spawn(async move {
        let etag = Some(etag.as_str()).filter(|etag| !etag.is_empty());
        let fetch = async {
            let mut reader = remote.account.read(&remote.container, &remote.path, 0, None, etag).await?;
            let mut piece = Vec::with_capacity(PIECE);
            loop {
                let chunk = reader.next().await?;
                if let Some(chunk) = &chunk {
                    piece.extend_from_slice(chunk);
                }
                let is_last = chunk.is_none();
                if piece.len() >= PIECE || (is_last && !piece.is_empty()) {
                    let full = std::mem::replace(&mut piece, Vec::with_capacity(PIECE));
                    // It may wait for the reader: not on a thread that other downloads need.
                    let sent = tokio::task::block_in_place(|| sender.send(Ok(Bytes::from(full))));
                    if sent.is_err() {
                        return Ok(());
                    }
                }
                if is_last {
                    return Ok(());
                }
            }
        };
        let outcome: std::result::Result<(), huntbook_azure::blob::BlobError> = fetch.await;
        if let Err(error) = outcome {
            let _ = tokio::task::block_in_place(|| sender.send(Err(error.to_string())));
        }
    });
    Ok(Download { pieces, piece: Bytes::new(), progress: progress.clone() })
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.recv_timeout(LOOK) {
                Ok(Ok(piece)) => self.piece = piece,
                Ok(Err(problem)) => return Err(io::Error::other(problem)),
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
                Err(RecvTimeoutError::Timeout) if self.progress.stopped.load(Relaxed) => {
                    return Err(io::Error::other("it was interrupted"));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        let length = self.piece.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.piece.split_to(length));
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn parts(bytes: &[u8]) -> Result<Vec<(u64, usize)>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, bytes).unwrap();
        let item = Item { name: "f".into(), bytes: bytes.len() as u64, place: ItemPlace::Local(path) };
        let mut source = Source::open(&item, &Arc::default())?;
        let mut found = Vec::new();
        let mut all = Vec::new();
        while let Some(part) = source.next()? {
            found.push((part.first_line, part.bytes.len()));
            all.extend_from_slice(&part.bytes);
        }
        let plain = bytes.strip_prefix(b"\xef\xbb\xbf".as_slice()).unwrap_or(bytes);
        assert!(bytes.starts_with(&[0x1f, 0x8b]) || all == plain, "every byte comes once");
        Ok(found)
    }

    #[test]
    fn parts_end_at_lines_and_know_their_numbers() {
        assert_eq!(parts(b"").unwrap(), []);
        assert_eq!(parts(b"a\nb").unwrap(), [(1, 3)]);
        assert_eq!(parts(b"\xef\xbb\xbfa\n").unwrap(), [(1, 2)]);
        let line = [b"x".repeat(999), vec![b'\n']].concat();
        let many = parts(&line.repeat(10_000)).unwrap();
        assert_eq!(many.len(), 3);
        assert_eq!(many[1].0, many[0].1 as u64 / 1000 + 1);
        // A line longer than a part.
        let long = [b"y".repeat(3 * PART), vec![b'\n'], line].concat();
        assert_eq!(parts(&long).unwrap().iter().map(|(_, length)| length).sum::<usize>(), 3 * PART + 1001);
    }

    #[test]
    fn packed_files_are_read_to_their_end_or_not_at_all() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&b"{\"a\":1}\n".repeat(1000)).unwrap();
        let packed = gzip.finish().unwrap();
        assert_eq!(parts(&packed).unwrap(), [(1, 8000)]);
        // Two members, as log rotation makes them.
        assert_eq!(parts(&packed.repeat(2)).unwrap(), [(1, 16_000)]);
        let cut = parts(&packed[..packed.len() - 10]).unwrap_err();
        assert!(cut.message.contains("cut short"), "{cut}");
        assert!(parts(b"\xff\xfea\0").unwrap_err().message.contains("UTF-16"));
    }
}
