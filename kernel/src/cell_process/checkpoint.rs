//! Checkpoints: a cell runs in a copy of the process, and the original goes on if the copy does not come back.
//!
//! ```text
//! evcxr - root - current            between cells: `current` holds the variables
//! evcxr - root - current - copy     during a cell: `current` sleeps as it was, `copy` runs the cell
//! evcxr - root - copy               the cell came back: the copy is the current process now
//! ```
//!
//! The root is the process that evcxr started. It runs no cell, so that its handle stays valid, and ends as the current
//! process ends. An interrupt, a panic, a crash or an out-of-memory kill ends the copy only. A fork takes about 2 ms for
//! 250 MB, of which only the pages that the cell writes are copied.
//!
//! A copy has one thread and no children of its own. Where the current process has more threads than one, has child
//! processes, or is larger than [`LARGEST`], the cell runs in it without a checkpoint. POSIX record locks and interval
//! timers do not pass to a copy (fork(2)).

use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::pipe;

/// Resident bytes beyond which a process is not copied.
const LARGEST: u64 = 4 << 30;

/// How often a waiting process looks after a copy whose pipe does not tell that it is gone.
const LOOK_AFTER: Duration = Duration::from_millis(50);

const COMMITTED: u8 = b'c';
const PANICKED: u8 = b'p';
const NOT_LOADED: u8 = b'x';

/// How the end of a process begins that could not load the code of a cell, as [`take_end`] gives it.
const CANNOT_LOAD: &str = "cannot load the cell: ";

/// Who a process is after the checkpoint.
pub(super) enum Role {
    /// There is no checkpoint; the process runs the cell itself.
    Alone,
    /// The cell is to be run here; the original waits.
    Copy(Original),
    /// The copy did not come back: this is the state before the cell.
    RolledBack,
}

/// The process that waits for a copy.
pub(super) struct Original {
    pid: i32,
    verdict: File,
}

/// What the kernel reads while a cell runs, in a file: the process that holds the variables, and what it does.
pub(super) struct Status {
    file: File,
    ended: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Doing {
    Waits,
    Runs,
    RunsAlone,
}

impl Status {
    pub(super) fn open(path: &Path) -> std::io::Result<Status> {
        let file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
        Ok(Status { file, ended: ended(path) })
    }

    fn tell(&self, doing: Doing) -> std::io::Result<()> {
        let word = match doing {
            Doing::Waits => 'w',
            Doing::Runs => 'r',
            Doing::RunsAlone => 'a',
        };
        self.file.write_all_at(format!("{:>10} {word}\n", std::process::id()).as_bytes(), 0)
    }

    fn current(&self) -> Option<i32> {
        let mut text = [0; 10];
        self.file.read_exact_at(&mut text, 0).ok()?;
        std::str::from_utf8(&text).ok()?.trim().parse().ok()
    }

    /// Says why the cell was rolled back, before evcxr hears that it was.
    fn tell_end(&self, why: &str) -> std::io::Result<()> {
        std::fs::write(&self.ended, why)
    }
}

fn ended(status: &Path) -> PathBuf {
    status.with_extension("ended")
}

/// The cell that runs now, as the kernel sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Running {
    pub(crate) pid: i32,
    /// There is a process to go on with if this one ends.
    pub(crate) has_checkpoint: bool,
}

/// The cell that runs now; `None` between cells and while one is compiled.
pub(crate) fn running(status: &Path) -> Option<Running> {
    let text = std::fs::read_to_string(status).ok()?;
    let (pid, doing) = text.trim().split_once(' ')?;
    let pid = pid.parse().ok()?;
    match doing {
        "r" => Some(Running { pid, has_checkpoint: true }),
        "a" => Some(Running { pid, has_checkpoint: false }),
        _ => None,
    }
}

/// Why the last cell was rolled back, once; `None` if it was not.
pub(crate) fn take_end(status: &Path) -> Option<String> {
    let path = ended(status);
    let why = std::fs::read_to_string(&path).ok()?;
    let _ = std::fs::remove_file(path);
    Some(why)
}

/// Whether a cell did not begin because its code does not fit what the process has loaded, such as a prelude that was
/// built anew for another dependency. Only a new process can run it.
pub(crate) fn needs_new_process(why: &str) -> bool {
    why.starts_with(CANNOT_LOAD)
}

/// Goes on in a child, the first current process; the root stays behind and ends as the last of them does.
pub(super) fn leave_root(status: &Status) -> std::io::Result<()> {
    let root = id();
    // SAFETY: plain system calls; this process has one thread.
    let child = unsafe {
        libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1);
        libc::signal(libc::SIGINT, libc::SIG_IGN);
        libc::fork()
    };
    match child {
        0 => {
            die_with(root);
            status.tell(Doing::Waits)
        }
        -1 => Err(std::io::Error::last_os_error()),
        first => supervise(first, status),
    }
}

fn supervise(first: i32, status: &Status) -> ! {
    loop {
        let mut how = 0;
        // SAFETY: waits for any child and writes to a local.
        let gone = unsafe { libc::waitpid(-1, &raw mut how, 0) };
        let current = status.current().unwrap_or(first);
        if gone == current || gone < 0 && std::io::Error::last_os_error().raw_os_error() == Some(libc::ECHILD) {
            end_as(how)
        }
    }
}

/// Ends this process the way another one did.
fn end_as(how: i32) -> ! {
    // SAFETY: system calls that end this process; a core file of it would tell nothing.
    unsafe {
        if libc::WIFSIGNALED(how) {
            let no_core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            libc::setrlimit(libc::RLIMIT_CORE, &raw const no_core);
            libc::signal(libc::WTERMSIG(how), libc::SIG_DFL);
            libc::raise(libc::WTERMSIG(how));
        }
        libc::_exit(if libc::WIFEXITED(how) { libc::WEXITSTATUS(how) } else { 99 })
    }
}

/// Makes a copy that runs the cell. In the original this returns when the copy did not come back; if it does, the
/// original ends here.
pub(super) fn take(status: &Status) -> std::io::Result<Role> {
    if !can_copy() {
        status.tell(Doing::RunsAlone)?;
        allow_interrupt(true);
        return Ok(Role::Alone);
    }
    let original = id();
    let (verdict, answer) = pipe()?;
    // SAFETY: this process has one thread, so that the copy is whole.
    match unsafe { libc::fork() } {
        -1 => {
            status.tell(Doing::RunsAlone)?;
            allow_interrupt(true);
            Ok(Role::Alone)
        }
        0 => {
            drop(verdict);
            die_with(original);
            status.tell(Doing::Runs)?;
            allow_interrupt(true);
            Ok(Role::Copy(Original { pid: original, verdict: answer.into() }))
        }
        copy => {
            drop(answer);
            let end = wait_for(copy, verdict);
            status.tell(Doing::Waits)?;
            match end {
                // SAFETY: ends this process; the reason is told.
                End::NotLoaded => unsafe { libc::_exit(99) },
                End::RolledBack(why) => {
                    status.tell_end(&why)?;
                    Ok(Role::RolledBack)
                }
            }
        }
    }
}

impl Original {
    /// The cell came back: this process is the current one from now on, and the original ends.
    pub(super) fn commit(self, status: &Status) -> std::io::Result<()> {
        allow_interrupt(false);
        status.tell(Doing::Waits)?;
        // SAFETY: no death of a parent counts until this process has its next one.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, 0) };
        super::write_all(self.verdict.as_raw_fd(), &[COMMITTED]);
        // SAFETY: asks for the parent.
        while unsafe { libc::getppid() } == self.pid {
            std::thread::sleep(Duration::from_micros(50));
        }
        // SAFETY: as above; the parent is the root now.
        die_with(unsafe { libc::getppid() });
        Ok(())
    }

    /// The cell has panicked: its process ends, and the original goes on.
    pub(super) fn give_up(self) -> ! {
        allow_interrupt(false);
        super::write_all(self.verdict.as_raw_fd(), &[PANICKED]);
        // SAFETY: ends this process without running what user code has left to be run at an exit.
        unsafe { libc::_exit(0) }
    }
}

/// The code of a cell could not be loaded: this process and the one behind it end, if there is one.
pub(super) fn give_up_all(original: Option<Original>, error: &std::io::Error, status: &Status) -> ! {
    let _ = status.tell_end(&format!("{CANNOT_LOAD}{error}"));
    if let Some(original) = original {
        super::write_all(original.verdict.as_raw_fd(), &[NOT_LOADED]);
    }
    // SAFETY: as above.
    unsafe { libc::_exit(99) }
}

/// How a copy ended.
enum End {
    RolledBack(String),
    NotLoaded,
}

/// After a cell that had no checkpoint.
pub(super) fn finish_alone(status: &Status) -> std::io::Result<()> {
    allow_interrupt(false);
    status.tell(Doing::Waits)
}

/// Waits for the verdict of a copy and says how it ended; does not return if the copy goes on.
fn wait_for(copy: i32, mut verdict: File) -> End {
    let mut waited = libc::pollfd { fd: verdict.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    loop {
        // SAFETY: `waited` is one valid entry.
        let ready = unsafe { libc::poll(&raw mut waited, 1, LOOK_AFTER.as_millis() as i32) } > 0;
        let mut byte = [0];
        let said = ready && verdict.read_exact(&mut byte).is_ok();
        if said && byte[0] == COMMITTED {
            // SAFETY: ends this process without running exit handlers: its state lives on in the copy.
            unsafe { libc::_exit(0) }
        }
        let mut how = 0;
        // With the pipe closed or a panic told the copy is about to be gone; without, processes of its own may hold the pipe.
        // SAFETY: waits for a child of this process and writes to a local.
        let gone = unsafe { libc::waitpid(copy, &raw mut how, if ready { 0 } else { libc::WNOHANG }) };
        if gone == copy {
            return match byte[0] {
                NOT_LOADED if said => End::NotLoaded,
                PANICKED if said => End::RolledBack("panic".to_owned()),
                _ => End::RolledBack(described(how)),
            };
        }
    }
}

fn described(how: i32) -> String {
    if !libc::WIFSIGNALED(how) {
        return format!("exit code {}", libc::WEXITSTATUS(how));
    }
    let signal = libc::WTERMSIG(how);
    let name = match signal {
        libc::SIGSEGV => " (SIGSEGV: it used memory that is not there, or its stack overflowed)",
        libc::SIGABRT => " (SIGABRT: it called abort, or its stack overflowed)",
        libc::SIGKILL => " (SIGKILL: the system may have been out of memory)",
        libc::SIGBUS => " (SIGBUS)",
        libc::SIGILL => " (SIGILL)",
        libc::SIGFPE => " (SIGFPE)",
        libc::SIGINT => " (SIGINT)",
        libc::SIGTERM => " (SIGTERM)",
        _ => "",
    };
    format!("signal {signal}{name}")
}

fn can_copy() -> bool {
    let threads = std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    threads == 1 && !has_children() && resident_bytes().is_some_and(|bytes| bytes <= LARGEST)
}

fn has_children() -> bool {
    // SAFETY: all zeros is a valid siginfo_t; waitid only looks, with WNOWAIT.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        libc::waitid(libc::P_ALL, 0, &raw mut info, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT) == 0
    }
}

fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    // SAFETY: asks for a constant of the system.
    Some(pages * unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64)
}

/// The kernel interrupts with SIGINT, which ends a process that runs user code and no other: there is no moment at
/// which it could hit a cell that has just come back. A handler of the user's stays.
fn allow_interrupt(allowed: bool) {
    let (from, to) = if allowed { (libc::SIG_IGN, libc::SIG_DFL) } else { (libc::SIG_DFL, libc::SIG_IGN) };
    // SAFETY: all zeros is a valid sigaction; one is read and perhaps changed.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(libc::SIGINT, std::ptr::null(), &raw mut action) == 0 && action.sa_sigaction == from {
            libc::signal(libc::SIGINT, to);
        }
    }
}

/// No process outlives the one above it.
fn die_with(parent: i32) {
    // SAFETY: plain system calls; the parent may have gone before the first of them.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        if libc::getppid() != parent {
            libc::_exit(99);
        }
    }
}

fn id() -> i32 {
    std::process::id() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_reads_what_a_process_tells() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cell");
        assert_eq!(running(&path), None);
        let status = Status::open(&path).unwrap();
        assert_eq!((running(&path), status.current()), (None, None));
        for (doing, has_checkpoint) in
            [(Doing::Runs, Some(true)), (Doing::RunsAlone, Some(false)), (Doing::Waits, None)]
        {
            status.tell(doing).unwrap();
            let wanted = has_checkpoint.map(|has_checkpoint| Running { pid: id(), has_checkpoint });
            assert_eq!((running(&path), status.current()), (wanted, Some(id())));
        }
        status.tell_end("panic").unwrap();
        assert_eq!((take_end(&path), take_end(&path)), (Some("panic".to_owned()), None));
    }
}
