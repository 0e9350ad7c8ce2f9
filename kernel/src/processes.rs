//! Builds run as descendants of the kernel: cargo, rustc and linkers.

use std::collections::HashMap;

/// How the processes of a build are called.
const BUILDS: [&str; 6] = ["cargo", "real-cargo", "rustc", "rustup", "build-script-b", "mold"];

/// Kills running builds while `wanted`.
pub(crate) fn kill_builds(wanted: impl Fn() -> bool) {
    let table = table();
    let mut pending = vec![std::process::id() as i32];
    while let Some(parent) = pending.pop() {
        for (pid, name) in
            table.iter().filter(|(_, entry)| entry.parent == parent).map(|(pid, entry)| (*pid, &entry.name))
        {
            pending.push(pid);
            if BUILDS.iter().any(|build| name.starts_with(build)) && wanted() {
                // SAFETY: sends a signal to a descendant of ours.
                unsafe { libc::kill(pid, libc::SIGKILL) };
            }
        }
    }
}

/// For a child between fork and exec: it must not outlive the kernel, whatever it is doing.
pub(crate) fn die_with(kernel: u32) -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    // SAFETY: plain system calls, which are allowed between fork and exec.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        if libc::getppid() as u32 != kernel {
            return Err(std::io::ErrorKind::NotConnected.into());
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = kernel;
    Ok(())
}

/// Sends a signal to a process of this kernel, or, negative, to a group of processes.
pub(crate) fn send(pid: i32, signal: i32) {
    // SAFETY: only sends a signal.
    unsafe { libc::kill(pid, signal) };
}

struct Entry {
    parent: i32,
    name: String,
}

fn table() -> HashMap<i32, Entry> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return HashMap::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            // `pid (name) state parent ...`; the name may hold anything, brackets included.
            let (head, tail) = stat.rsplit_once(')')?;
            let name = head.split_once('(')?.1.to_owned();
            let parent = tail.split_whitespace().nth(1)?.parse().ok()?;
            Some((pid, Entry { parent, name }))
        })
        .collect()
}
