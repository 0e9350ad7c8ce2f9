//! Standard output as commands meet it: a terminal, or a pipe whose reader may go.

use std::io::{self, ErrorKind, IsTerminal, StdoutLock, Write, stdout};

/// Characters in a line of a terminal that tells none.
const USUAL_COLUMNS: usize = 120;

/// Standard output that remembers that its reader has gone, as `head` goes.
pub(crate) struct Output {
    inner: StdoutLock<'static>,
    pub(crate) reader_gone: bool,
}

impl Output {
    pub(crate) fn new() -> Self {
        Self { inner: stdout().lock(), reader_gone: false }
    }

    fn noting<T>(&mut self, done: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &done {
            self.reader_gone |= error.kind() == ErrorKind::BrokenPipe;
        }
        done
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let done = self.inner.write(bytes);
        self.noting(done)
    }

    fn flush(&mut self) -> io::Result<()> {
        let done = self.inner.flush();
        self.noting(done)
    }
}

/// Characters in a line of the terminal that shows the output; `None` if it goes to a file or another program.
pub(crate) fn columns() -> Option<usize> {
    if !stdout().is_terminal() {
        return None;
    }
    let told = std::env::var("COLUMNS").ok().and_then(|text| text.trim().parse().ok());
    Some(told.filter(|columns| *columns > 0).or_else(measured).unwrap_or(USUAL_COLUMNS))
}

fn measured() -> Option<usize> {
    // SAFETY: a `winsize` may be all zeros, and the call writes nothing but one.
    let size = unsafe {
        let mut size: libc::winsize = std::mem::zeroed();
        if libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) != 0 {
            return None;
        }
        size
    };
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}
