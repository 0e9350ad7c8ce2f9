//! Commands for the shell: output as it comes, and an end for all that a command has started.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicI32, Ordering};

use crate::output::CellError;
use crate::processes;

/// What huntbook tells evcxr, and the kernel's own, through the environment: commands need none of it.
const OURS: [&str; 4] = ["EVCXR_TMPDIR", "EVCXR_CONFIG_DIR", "RUSTC", "RUST_SRC_PATH"];

/// The command that runs, if one does.
#[derive(Default)]
pub(crate) struct Shell {
    /// Its process group; 0 is none.
    group: AtomicI32,
}

impl Shell {
    /// Runs a command to its end. What it leaves behind in the background ends with it.
    pub(crate) fn run(
        &self,
        command: &str,
        folder: &Path,
        [stdout, stderr]: [Stdio; 2],
        is_interrupted: impl Fn() -> bool,
    ) -> Result<(), CellError> {
        let mut shell = Command::new(program());
        shell.arg("-c").arg(command).current_dir(folder);
        shell.stdin(Stdio::null()).stdout(stdout).stderr(stderr).process_group(0);
        for name in OURS {
            shell.env_remove(name);
        }
        let kernel = std::process::id();
        // SAFETY: between fork and exec only async-signal-safe calls are made.
        unsafe { shell.pre_exec(move || processes::die_with(kernel)) };
        let failed = |error: std::io::Error| {
            CellError::new("ShellError", format!("the shell cannot be started in {}: {error}", folder.display()))
        };
        let mut child = shell.spawn().map_err(failed)?;
        self.group.store(child.id() as i32, Ordering::SeqCst);
        if is_interrupted() {
            self.stop();
        }
        wait_without_reaping(child.id());
        // Until the shell is reaped its group cannot be another's.
        self.signal(libc::SIGKILL);
        self.group.store(0, Ordering::SeqCst);
        let status = child.wait().map_err(failed)?;
        if status.success() { Ok(()) } else { Err(CellError::new("ShellError", ended(command, status))) }
    }

    /// As Ctrl-C at a terminal. Says whether a command runs.
    pub(crate) fn interrupt(&self) -> bool {
        self.signal(libc::SIGINT)
    }

    pub(crate) fn stop(&self) {
        self.signal(libc::SIGKILL);
    }

    fn signal(&self, signal: i32) -> bool {
        let group = self.group.load(Ordering::SeqCst);
        if group > 0 {
            processes::send(-group, signal);
        }
        group > 0
    }
}

/// bash, which people mean, or whatever shell there is.
fn program() -> &'static str {
    if Path::new("/bin/bash").exists() || Path::new("/usr/bin/bash").exists() { "bash" } else { "sh" }
}

fn wait_without_reaping(pid: u32) {
    loop {
        // SAFETY: a `siginfo_t` may be all zeros; the call writes nothing but it.
        let result = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            libc::waitid(libc::P_PID, pid, &raw mut info, libc::WEXITED | libc::WNOWAIT)
        };
        if result == 0 || std::io::Error::last_os_error().kind() != std::io::ErrorKind::Interrupted {
            return;
        }
    }
}

fn ended(command: &str, status: ExitStatus) -> String {
    let line = command.lines().next().unwrap_or_default();
    let shown = if line.len() < command.len() { format!("{line} ...") } else { line.to_owned() };
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("`{shown}` ended with status {code}"),
        (None, signal) => format!("`{shown}` was ended by signal {}", signal.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(command: &str) -> Result<(), CellError> {
        Shell::default().run(command, Path::new("/"), [Stdio::null(), Stdio::null()], || false)
    }

    #[test]
    fn a_status_other_than_0_is_an_error() {
        assert_eq!(run("test $PWD = /"), Ok(()));
        assert_eq!(run("exit 3").unwrap_err().value, "`exit 3` ended with status 3");
        assert_eq!(run("kill -9 $$\ntrue").unwrap_err().value, "`kill -9 $$ ...` was ended by signal 9");
        let nowhere = Shell::default().run("ls", Path::new("/no/folder"), [Stdio::null(), Stdio::null()], || false);
        assert!(nowhere.unwrap_err().value.contains("/no/folder"));
    }

    #[test]
    fn what_stays_in_the_background_ends_with_its_command() {
        let folder = tempfile::tempdir().unwrap();
        let command = "sleep 600 & echo $! > pid";
        let streams = [Stdio::null(), Stdio::null()];
        Shell::default().run(command, folder.path(), streams, || false).unwrap();
        let pid: i32 = std::fs::read_to_string(folder.path().join("pid")).unwrap().trim().parse().unwrap();
        let is_running = || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            !stat.is_empty() && !stat.contains(") Z ")
        };
        for _ in 0..1000 {
            if !is_running() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("{pid} still runs");
    }

    #[test]
    fn an_interrupt_before_the_start_counts() {
        let shell = Shell::default();
        let error = shell.run("sleep 600", Path::new("/"), [Stdio::null(), Stdio::null()], || true).unwrap_err();
        assert!(error.value.contains("signal 9"), "{}", error.value);
        assert!(!shell.interrupt());
    }
}
