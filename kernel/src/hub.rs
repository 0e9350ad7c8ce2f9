//! The display hub: everything that the cell process emits, in order.
//!
//! Text arrives on two pipes, displays and engine calls on the private socket. A display is handed on only after
//! the text that was printed before it, since the cell flushes its text before it sends the display.

use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use huntbook_engine::{CellEvents, Display, Engine};
use huntbook_wire::{EngineError, Envelope, environment, read_message, write_message};

use crate::cell_process::{self, USER_STDERR, USER_STDOUT};
use crate::output::{CellError, Output, Sink, Stream};
use crate::redaction;

/// Text is gathered this long before it is sent: one message per moment, not one per line.
const GATHER: Duration = Duration::from_millis(10);
const PIPE_BYTES: i32 = 1 << 20;

/// How long the connection of a process that has ended may take to end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How the running cell failed, as its process reported it.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    Panic { message: String, line: Option<u32>, column: Option<u32> },
    QuestionMark { message: String },
}

pub(crate) struct Hub {
    engine: Arc<Engine>,
    folder: PathBuf,
    token: String,
    pipes: Mutex<Pipes>,
    /// Write ends, which every cell process inherits; held here so that the pipes outlive a process.
    write_ends: [std::fs::File; 2],
    sink: Mutex<Option<Arc<dyn Sink>>>,
    failure: Mutex<Option<Failure>>,
    /// Engine calls of the cell that have not been answered yet.
    calls: AtomicUsize,
    /// Connections of cell processes.
    connections: AtomicUsize,
    /// evcxr is starting: what is printed is its own.
    muted: AtomicBool,
}

impl Hub {
    /// Opens the private socket in `folder` (made, for this user only) and starts to listen.
    pub(crate) fn start(engine: Arc<Engine>, folder: PathBuf) -> std::io::Result<Arc<Hub>> {
        std::fs::create_dir_all(&folder)?;
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700))?;
        let listener = UnixListener::bind(folder.join("engine.sock"))?;
        let (stdout_read, stdout_write) = pipe()?;
        let (stderr_read, stderr_write) = pipe()?;
        let pipes = Pipes {
            stdout: Pipe::new(stdout_read, Stream::Stdout),
            stderr: Pipe::new(stderr_read, Stream::Stderr),
            secrets: redaction::Streams::default(),
        };
        let hub = Arc::new(Hub {
            engine,
            folder,
            token: uuid::Uuid::new_v4().simple().to_string(),
            pipes: Mutex::new(pipes),
            write_ends: [stdout_write, stderr_write],
            sink: Mutex::new(None),
            failure: Mutex::new(None),
            calls: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            muted: AtomicBool::new(false),
        });
        spawn("hub-text", {
            let hub = hub.clone();
            move || hub.watch_text()
        })?;
        spawn("hub-calls", {
            let hub = hub.clone();
            move || hub.accept(&listener)
        })?;
        Ok(hub)
    }

    /// What the cell process needs: descriptors, socket and token.
    pub(crate) fn equip(&self, command: &mut std::process::Command) {
        use std::os::unix::process::CommandExt;
        command
            .env(environment::SOCKET, self.folder.join("engine.sock"))
            .env(environment::TOKEN, &self.token)
            .env("HUNTBOOK_TRANSFER_DIR", &self.engine.settings().transfer)
            .env(cell_process::STATUS, self.status());
        let [stdout, stderr] = [self.write_ends[0].as_raw_fd(), self.write_ends[1].as_raw_fd()];
        let kernel = std::process::id();
        // SAFETY: between fork and exec only async-signal-safe calls are made.
        unsafe {
            command.pre_exec(move || {
                if libc::dup2(stdout, USER_STDOUT) < 0 || libc::dup2(stderr, USER_STDERR) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                crate::processes::die_with(kernel)
            });
        }
    }

    /// Where a command of the cell writes its text.
    pub(crate) fn text_ends(&self) -> std::io::Result<[std::process::Stdio; 2]> {
        let [stdout, stderr] = &self.write_ends;
        Ok([stdout.try_clone()?.into(), stderr.try_clone()?.into()])
    }

    /// Runs `work` while questions of the cell process go to `answers`.
    pub(crate) fn answering<T>(&self, answers: Arc<dyn Sink>, work: impl FnOnce() -> T) -> T {
        self.pump();
        let before = lock(&self.sink).replace(answers);
        let result = work();
        *lock(&self.sink) = before;
        result
    }

    /// Who listens to the running cell.
    pub(crate) fn sink(&self) -> Result<Arc<dyn Sink>, CellError> {
        lock(&self.sink).clone().ok_or_else(|| CellError::new("KernelError", "no cell is running"))
    }

    /// A cell begins: what comes from now on is its output.
    pub(crate) fn begin_cell(&self, sink: Arc<dyn Sink>) {
        self.end_cell();
        *lock(&self.sink) = Some(sink);
        *lock(&self.failure) = None;
    }

    /// Hands on all text that was printed until now.
    pub(crate) fn pump(&self) {
        let mut pipes = lock(&self.pipes);
        let muted = self.muted.load(Ordering::SeqCst);
        let sink = lock(&self.sink).clone().filter(|_| !muted);
        let Pipes { stdout, stderr, secrets } = &mut *pipes;
        for pipe in [stdout, stderr] {
            let stream = pipe.stream;
            if let (Some(text), Some(sink)) = (pipe.drain(), &sink)
                && let Some(text) = secrets.push(stream, &text)
            {
                sink.emit(Output::Stream { stream, text });
            }
        }
    }

    /// The cell has ended: text that could still have become a secret has not.
    pub(crate) fn end_cell(&self) {
        self.pump();
        let left = lock(&self.pipes).secrets.finish();
        if let Ok(sink) = self.sink() {
            left.into_iter().for_each(|(stream, text)| sink.emit(Output::Stream { stream, text }));
        }
    }

    /// Runs `start` with the text of the cell process thrown away.
    pub(crate) fn muted<T>(&self, start: impl FnOnce() -> T) -> T {
        self.pump();
        self.muted.store(true, Ordering::SeqCst);
        let result = start();
        self.pump();
        self.muted.store(false, Ordering::SeqCst);
        result
    }

    /// Where cell processes say which of them runs a cell.
    pub(crate) fn status(&self) -> PathBuf {
        self.folder.join("cell")
    }

    /// Rust code begins, which may be rolled back.
    pub(crate) fn begin_rust(&self) {
        cell_process::take_end(&self.status());
        self.engine.set_handle_checkpoint();
    }

    /// The cell process was started anew.
    pub(crate) fn forget_cell_handles(&self) {
        self.engine.forget_cell_handles();
    }

    /// Rust code has ended. If it was rolled back, says why, and the engine takes back what it did to handles.
    pub(crate) fn end_rust(&self) -> Option<String> {
        let Some(why) = cell_process::take_end(&self.status()) else {
            self.engine.commit_handles();
            return None;
        };
        // What the process sent before it ended is read first.
        let began = Instant::now();
        while self.connections.load(Ordering::SeqCst) > 0 && began.elapsed() < LAST_WORDS {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.engine.roll_back_handles();
        Some(why)
    }

    pub(crate) fn take_failure(&self) -> Option<Failure> {
        lock(&self.failure).take()
    }

    pub(crate) fn is_engine_busy(&self) -> bool {
        self.calls.load(Ordering::SeqCst) > 0
    }

    pub(crate) fn emit(&self, output: Output) {
        self.pump();
        let sink = lock(&self.sink).clone();
        if let Some(sink) = sink {
            sink.emit(redaction::output(output));
        }
    }

    pub(crate) fn remove_files(&self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }

    fn watch_text(&self) {
        let descriptors = {
            let pipes = lock(&self.pipes);
            [pipes.stdout.file.as_raw_fd(), pipes.stderr.file.as_raw_fd()]
        };
        loop {
            wait_readable(descriptors);
            std::thread::sleep(GATHER);
            self.pump();
        }
    }

    fn accept(self: &Arc<Hub>, listener: &UnixListener) {
        for stream in listener.incoming().flatten() {
            let hub = self.clone();
            let _ = spawn("hub-call", move || {
                if let Err(error) = hub.serve(stream) {
                    tracing::debug!("a cell's connection ended: {error}");
                }
            });
        }
    }

    fn serve(&self, mut stream: UnixStream) -> std::io::Result<()> {
        if !is_own_user(&stream) {
            return Err(std::io::Error::other("another user connected"));
        }
        let Some(Envelope { token }) = read_message(&mut stream)? else { return Ok(()) };
        if !same(token.as_bytes(), self.token.as_bytes()) {
            return Err(std::io::Error::other("wrong token"));
        }
        self.connections.fetch_add(1, Ordering::SeqCst);
        let ended = self.answer(stream);
        self.connections.fetch_sub(1, Ordering::SeqCst);
        ended
    }

    fn answer(&self, mut stream: UnixStream) -> std::io::Result<()> {
        while let Some(request) = read_message(&mut stream)? {
            self.calls.fetch_add(1, Ordering::SeqCst);
            self.pump();
            let response = self.engine.serve(request, self);
            self.calls.fetch_sub(1, Ordering::SeqCst);
            if let Some(response) = response {
                write_message(&mut stream, &response)?;
            }
        }
        Ok(())
    }
}

impl CellEvents for Hub {
    fn display(&self, display: Display) {
        self.emit(Output::Display(display));
    }

    fn clear_output(&self, wait: bool) {
        self.emit(Output::Clear { wait });
    }

    fn input(&self, prompt: &str, password: bool) -> Result<String, EngineError> {
        let sink = lock(&self.sink).clone();
        let answer = match sink {
            Some(sink) => sink.ask(&redaction::text(prompt.to_owned()), password),
            None => Err(CellError::new("InputError", "no cell is running")),
        };
        if let (true, Ok(secret)) = (password, &answer) {
            huntbook_engine::redact::register(secret);
        }
        answer.map_err(|error| EngineError::new(error.name, error.value))
    }

    fn panicked(&self, message: String, line: Option<u32>, column: Option<u32>) {
        *lock(&self.failure) = Some(Failure::Panic { message, line, column });
    }

    fn question_mark(&self, message: String) {
        *lock(&self.failure) = Some(Failure::QuestionMark { message });
    }
}

struct Pipes {
    stdout: Pipe,
    stderr: Pipe,
    secrets: redaction::Streams,
}

struct Pipe {
    file: std::fs::File,
    stream: Stream,
    /// The beginning of a character whose rest has not arrived.
    partial: Vec<u8>,
}

impl Pipe {
    fn new(file: std::fs::File, stream: Stream) -> Pipe {
        Pipe { file, stream, partial: Vec::new() }
    }

    /// All text there is, without waiting.
    fn drain(&mut self) -> Option<String> {
        let mut bytes = std::mem::take(&mut self.partial);
        // Ends with WouldBlock when the pipe is empty.
        let _ = self.file.read_to_end(&mut bytes);
        let complete = complete_prefix(&bytes);
        self.partial = bytes.split_off(complete);
        (!bytes.is_empty()).then(|| String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Length without an unfinished character at the end; bytes that are no UTF-8 at all do not wait.
fn complete_prefix(bytes: &[u8]) -> usize {
    let start = bytes.len().saturating_sub(3);
    for index in (start..bytes.len()).rev() {
        let width = match bytes[index] {
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            0x80..=0xBF => continue,
            _ => return bytes.len(),
        };
        return if index + width > bytes.len() { index } else { bytes.len() };
    }
    bytes.len()
}

fn pipe() -> std::io::Result<(std::fs::File, std::fs::File)> {
    let mut ends = [0; 2];
    // SAFETY: `ends` has room for two descriptors; both are new and owned by nobody else.
    unsafe {
        if libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) < 0 {
            return Err(std::io::Error::last_os_error());
        }
        // Only the read end must not block: a cell that prints faster than we read has to wait.
        libc::fcntl(ends[0], libc::F_SETFL, libc::O_NONBLOCK);
        #[cfg(target_os = "linux")]
        libc::fcntl(ends[0], libc::F_SETPIPE_SZ, PIPE_BYTES);
        Ok((std::fs::File::from_raw_fd(ends[0]), std::fs::File::from_raw_fd(ends[1])))
    }
}

fn wait_readable(descriptors: [RawFd; 2]) {
    let mut waited = descriptors.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    // SAFETY: `waited` is valid for its length.
    unsafe { libc::poll(waited.as_mut_ptr(), waited.len() as libc::nfds_t, -1) };
}

fn is_own_user(stream: &UnixStream) -> bool {
    #[cfg(target_os = "linux")]
    {
        let mut credentials = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
        let mut length = size_of::<libc::ucred>() as libc::socklen_t;
        // SAFETY: the buffer and its length are valid for getsockopt.
        let result = unsafe {
            libc::getsockopt(
                stream.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERCRED,
                (&raw mut credentials).cast(),
                &raw mut length,
            )
        };
        // SAFETY: getuid cannot fail.
        result == 0 && credentials.uid == unsafe { libc::getuid() }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = stream;
        true
    }
}

/// Compares in constant time.
fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).fold(0, |difference, (left, right)| difference | (left ^ right)) == 0
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    std::thread::Builder::new().name(name.into()).spawn(work).map(drop)
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_in_two_halves_waits_for_its_second() {
        let bytes = "a€".as_bytes();
        assert_eq!(complete_prefix(bytes), 4);
        assert_eq!(complete_prefix(&bytes[..3]), 1);
        assert_eq!(complete_prefix(&[b'a', 0xFF]), 2);
        assert_eq!(complete_prefix(&[0x80, 0x80, 0x80, 0x80]), 4);
    }
}
