//! The process in which cells run: our own runtime for evcxr's child.
//!
//! evcxr sends `LOAD_AND_RUN <shared object> <function>` and waits for `EVCXR_EXECUTION_COMPLETE`. Its own runtime
//! shares one stdout between these control lines and the user's text, so that printed text can forge control. Here
//! control has descriptors of its own: user code's stdout and stderr are pipes of the kernel and carry only text.
//!
//! One marker is still printed by generated code, before user code begins: that a stored variable's type has
//! changed. Until `huntbook::rt::begin` is called, file descriptor 1 is therefore a pipe read here.

use std::ffi::{CString, c_int, c_void};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use huntbook_wire::environment;

#[cfg(target_os = "linux")]
mod checkpoint;

#[cfg(target_os = "linux")]
pub(crate) use checkpoint::{needs_new_process, running, take_end};
#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::{needs_new_process, running, take_end};

const RUNTIME_VARIABLE: &str = "EVCXR_IS_RUNTIME";
const COMPLETE: &[u8] = b"EVCXR_EXECUTION_COMPLETE\n";
const TYPE_CHANGED: &str = "EVCXR_VARIABLE_CHANGED_TYPE:";
/// Descriptors at which the kernel puts the write ends of the user's stdout and stderr.
pub(crate) const USER_STDOUT: RawFd = 100;
pub(crate) const USER_STDERR: RawFd = 101;

/// Names the standard library that cells link to. Their run path is made for the folder that rustc wrote them to, not
/// for the one that evcxr moves them to; a library that is loaded already needs no path.
pub(crate) const STANDARD_LIBRARY: &str = "HUNTBOOK_STD";

/// Names the file in which cell processes say which of them runs a cell.
pub(crate) const STATUS: &str = "HUNTBOOK_CELL_STATUS";

/// evcxr gives a cell up, and with it nothing else, if a control line is not UTF-8: the state of its variables stays as it
/// was before the cell. Why the cell was rolled back stands in a file.
const ROLLED_BACK: &[u8] = b"\xFFHUNTBOOK_ROLLED_BACK\n";

/// Bits of what the prelude answers at the end of a cell.
const BEGUN: c_int = 1;
const PANICKED: c_int = 2;

type CellFunction = unsafe extern "C" fn(*mut c_void) -> *mut c_void;
type CellEnd = unsafe extern "C" fn() -> c_int;
type Abandon = unsafe extern "C" fn();

/// Did evcxr start this process?
pub fn is_requested() -> bool {
    std::env::var_os(RUNTIME_VARIABLE).is_some()
}

/// Runs cells until evcxr closes our stdin.
pub fn run() -> ! {
    match serve() {
        Ok(()) => std::process::exit(0),
        Err(error) => {
            eprintln!("the cell process stops: {error}");
            std::process::exit(99);
        }
    }
}

fn serve() -> std::io::Result<()> {
    let instructions = BufReader::new(std::fs::File::from(duplicate(0)?));
    let control = std::fs::File::from(duplicate(1)?);
    redirect(std::fs::File::open("/dev/null")?.as_raw_fd(), 0)?;
    if is_open(USER_STDOUT) {
        redirect(USER_STDOUT, 1)?;
        redirect(USER_STDERR, 2)?;
    }
    // SAFETY: no other thread has started yet in this process.
    unsafe {
        std::env::set_var(environment::STDOUT_FD, USER_STDOUT.to_string());
        std::env::set_var(environment::CONTROL_FD, control.as_raw_fd().to_string());
    }
    if let Ok(library) = std::env::var(STANDARD_LIBRARY) {
        load(&library)?;
    }
    Cells { store: std::ptr::null_mut(), library: std::ptr::null_mut(), control }.run(instructions)
}

/// What this process holds: the variables, and the library of the last cell.
struct Cells {
    store: *mut c_void,
    library: *mut c_void,
    control: std::fs::File,
}

impl Cells {
    #[cfg(target_os = "linux")]
    fn run(mut self, instructions: impl BufRead) -> std::io::Result<()> {
        use checkpoint::{Role, Status, finish_alone, give_up_all, leave_root, take};
        let Some(status) = std::env::var_os(STATUS).map(|path| Status::open(path.as_ref())).transpose()? else {
            return self.run_without_checkpoints(instructions);
        };
        leave_root(&status)?;
        for line in instructions.lines() {
            let line = line?;
            match take(&status)? {
                Role::Alone => {
                    self.cell(&line).unwrap_or_else(|error| give_up_all(None, &error, &status));
                    finish_alone(&status)?;
                }
                Role::Copy(original) => match self.cell(&line) {
                    Ok(end) if end & PANICKED != 0 => original.give_up(),
                    Ok(_) => original.commit(&status)?,
                    Err(error) => give_up_all(Some(original), &error, &status),
                },
                Role::RolledBack => {
                    self.abandon();
                    self.control.write_all(ROLLED_BACK)?;
                    continue;
                }
            }
            self.control.write_all(COMPLETE)?;
        }
        Ok(())
    }

    #[cfg(not(target_os = "linux"))]
    fn run(self, instructions: impl BufRead) -> std::io::Result<()> {
        self.run_without_checkpoints(instructions)
    }

    fn run_without_checkpoints(mut self, instructions: impl BufRead) -> std::io::Result<()> {
        for line in instructions.lines() {
            self.cell(&line?)?;
            self.control.write_all(COMPLETE)?;
        }
        Ok(())
    }

    /// Runs one cell; gives [`BEGUN`] and [`PANICKED`].
    fn cell(&mut self, instruction: &str) -> std::io::Result<c_int> {
        let mut words = instruction.split(' ');
        let (Some("LOAD_AND_RUN"), Some(object), Some(function)) = (words.next(), words.next(), words.next()) else {
            return Err(std::io::Error::other(format!("unknown instruction `{instruction}`")));
        };
        let (mut before_user_code, write_end) = pipe()?;
        redirect(write_end.as_raw_fd(), 1)?;
        drop(write_end);
        let began = std::time::Instant::now();
        self.library = load(object)?;
        tell_load(began.elapsed());
        let cell = symbol(self.library, function)
            .ok_or_else(|| std::io::Error::other(format!("{object} has no `{function}`")))?;
        // SAFETY: evcxr generated this function with exactly this signature, and `store` is what the previous cell
        // returned, or null at the start. Panics are caught inside.
        self.store = unsafe { std::mem::transmute::<*mut c_void, CellFunction>(cell)(self.store) };
        // SAFETY: the prelude exports this function with this signature.
        let end = symbol(self.library, "huntbook_cell_end")
            .map_or(0, |end| unsafe { std::mem::transmute::<*mut c_void, CellEnd>(end)() });
        // The last writer of the pipe goes, so that reading it ends.
        if is_open(USER_STDOUT) {
            redirect(USER_STDOUT, 1)?;
        } else {
            redirect(self.control.as_raw_fd(), 1)?;
        }
        let mut printed = String::new();
        before_user_code.read_to_string(&mut printed)?;
        for line in printed.split_inclusive('\n') {
            if end & BEGUN == 0 && line.starts_with(TYPE_CHANGED) {
                self.control.write_all(line.as_bytes())?;
            } else {
                write_all(1, line.as_bytes());
            }
        }
        Ok(end)
    }

    /// The engine hears of the copy that ended by the end of its connection, which this process shares: it makes a new one.
    #[cfg(target_os = "linux")]
    fn abandon(&self) {
        if self.library.is_null() {
            return;
        }
        if let Some(abandon) = symbol(self.library, "huntbook_cell_abandoned") {
            // SAFETY: the prelude exports this function with this signature.
            unsafe { std::mem::transmute::<*mut c_void, Abandon>(abandon)() };
        }
    }
}

/// How long the last cell took to load, once.
pub(crate) fn take_load(status: &Path) -> Option<Duration> {
    let path = load_time(status);
    let text = std::fs::read_to_string(&path).ok()?;
    let _ = std::fs::remove_file(path);
    text.parse().map(Duration::from_nanos).ok()
}

/// A measurement that cannot be told is no reason to fail.
fn tell_load(took: Duration) {
    if let Some(status) = std::env::var_os(STATUS) {
        let _ = std::fs::write(load_time(status.as_ref()), took.as_nanos().to_string());
    }
}

fn load_time(status: &Path) -> PathBuf {
    status.with_extension("load")
}

/// Loads a shared object for good: unloading one would take the code of live threads and destructors away.
fn load(object: &str) -> std::io::Result<*mut c_void> {
    let path = CString::new(object)?;
    // SAFETY: the path is a valid C string; the object was built by evcxr a moment ago.
    let library = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    if library.is_null() {
        // SAFETY: dlerror returns null or a C string that stays valid until the next dl call of this thread.
        let why = unsafe {
            let why = libc::dlerror();
            if why.is_null() { "unknown".into() } else { std::ffi::CStr::from_ptr(why).to_string_lossy().into_owned() }
        };
        return Err(std::io::Error::other(format!("cannot load {object}: {why}")));
    }
    Ok(library)
}

fn symbol(library: *mut c_void, name: &str) -> Option<*mut c_void> {
    let name = CString::new(name).ok()?;
    // SAFETY: `library` came from dlopen and is never closed.
    let address = unsafe { libc::dlsym(library, name.as_ptr()) };
    (!address.is_null()).then_some(address)
}

fn duplicate(descriptor: RawFd) -> std::io::Result<OwnedFd> {
    // SAFETY: fcntl gives a new descriptor that nobody else owns.
    let copy = unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 10) };
    if copy < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: as above.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

fn redirect(from: RawFd, to: RawFd) -> std::io::Result<()> {
    // SAFETY: dup2 replaces `to`, one of the standard descriptors, which no Rust object owns.
    if unsafe { libc::dup2(from, to) } < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

fn is_open(descriptor: RawFd) -> bool {
    // SAFETY: only asks.
    unsafe { libc::fcntl(descriptor, libc::F_GETFD) >= 0 }
}

fn pipe() -> std::io::Result<(std::fs::File, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: `ends` has room for two descriptors; both are new and owned by nobody else.
    unsafe {
        if libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) < 0 {
            return Err(std::io::Error::last_os_error());
        }
        Ok((std::fs::File::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])))
    }
}

fn write_all(descriptor: RawFd, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // SAFETY: the buffer is valid for its length.
        let written = unsafe { libc::write(descriptor, bytes.as_ptr().cast(), bytes.len()) };
        match usize::try_from(written) {
            Ok(written) if written > 0 => bytes = &bytes[written..],
            _ => return,
        }
    }
}

/// Systems without checkpoints: every cell runs in the process that holds the variables.
#[cfg(not(target_os = "linux"))]
mod elsewhere {
    #[derive(Clone, Copy)]
    pub(crate) struct Running {
        pub(crate) pid: i32,
        pub(crate) has_checkpoint: bool,
    }

    pub(crate) fn running(_status: &std::path::Path) -> Option<Running> {
        None
    }

    pub(crate) fn take_end(_status: &std::path::Path) -> Option<String> {
        None
    }

    pub(crate) fn needs_new_process(_why: &str) -> bool {
        false
    }
}
