//! The Rust toolchain that compiles cells, and the standard library's sources that rust-analyzer reads.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, os::unix::fs::symlink};

use anyhow::{Context, bail};

use super::build_folder::write_if_changed;

/// The toolchain this huntbook is built and tested with; cells use it when it is installed.
const PINNED: &str = "1.95.0";

/// What rust-analyzer needs to name the type of any variable. The whole `library` folder is 52 MB, most of it
/// `core::arch` for processors that are not here; rust-analyzer would read, parse and keep all of it.
const CRATES: [&str; 4] = ["core", "alloc", "std", "proc_macro"];

/// The toolchain in use.
#[derive(Clone, Debug)]
pub(crate) struct Toolchain {
    /// Version and place: cells built by another one, or by this one elsewhere, are no use.
    pub(super) identity: String,
    sysroot: PathBuf,
    libraries: PathBuf,
}

impl Toolchain {
    /// The toolchain that `rustc` in the cache folder is: the pinned one where it is installed.
    pub(super) fn find(cache: &Path) -> anyhow::Result<Toolchain> {
        pin(cache)?;
        let version = ask_compiler(cache, &["-vV"])?;
        let folders = ask_compiler(cache, &["--print", "sysroot", "--print", "target-libdir"])?;
        let (sysroot, libraries) = folders
            .split_once('\n')
            .context("`rustc --print sysroot --print target-libdir` did not print two lines")?;
        let toolchain = Toolchain {
            identity: format!("{version}\n{folders}"),
            sysroot: PathBuf::from(sysroot.trim()),
            libraries: PathBuf::from(libraries.trim()),
        };
        if !toolchain.std_sources().exists() {
            bail!(
                "Rust cells need the standard library's sources, to know the types of variables. Run:\n  \
                 rustup component add rust-src --toolchain {PINNED}"
            );
        }
        Ok(toolchain)
    }

    /// cargo itself, not the proxy by which rustup chooses one.
    pub(super) fn cargo(&self) -> anyhow::Result<PathBuf> {
        let beside = self.sysroot.join("bin/cargo");
        let found = std::env::var_os("PATH").and_then(|path| {
            std::env::split_paths(&path).map(|folder| folder.join("cargo")).find(|program| program.is_file())
        });
        if beside.is_file() { Some(beside) } else { found }
            .context("Rust cells need cargo, and it is not on the PATH: install it from https://rustup.rs")
    }

    fn std_sources(&self) -> PathBuf {
        self.sysroot.join("lib/rustlib/src/rust/library")
    }

    /// The standard library that all cells share.
    pub(crate) fn standard_library(&self) -> anyhow::Result<PathBuf> {
        let is_std = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with("libstd-") && (name.ends_with(".so") || name.ends_with(".dylib"))
        };
        let found = fs::read_dir(&self.libraries)?.flatten().map(|entry| entry.path()).find(is_std);
        found.with_context(|| format!("no shared standard library in {}", self.libraries.display()))
    }
}

/// Makes a `library` folder with only the crates that are needed, as links. It has no Cargo.toml: rust-analyzer then
/// knows the crates by name, and does not ask cargo (and through it a registry) for what they depend on.
pub(super) fn link_std_sources(toolchain: &Toolchain, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for name in CRATES {
        match symlink(toolchain.std_sources().join(name), folder.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn pin(cache: &Path) -> io::Result<()> {
    let installed =
        Command::new("rustup").args(["run", PINNED, "rustc", "--version"]).env_remove("RUSTUP_TOOLCHAIN").output();
    if installed.is_ok_and(|output| output.status.success()) {
        write_if_changed(&cache.join("rust-toolchain.toml"), &format!("[toolchain]\nchannel = \"{PINNED}\"\n"))?;
    }
    Ok(())
}

/// The compiler's long explanation of an error code, as Markdown; `None` if it has none.
pub(crate) fn explain(code: &str) -> anyhow::Result<Option<String>> {
    let output = compiler(&crate::paths::cache()).args(["--explain", code]).output().context(NO_COMPILER)?;
    Ok(output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned()))
}

/// `rustc` as it is in the cache folder, where the toolchain is pinned.
fn compiler(cache: &Path) -> Command {
    let mut command = Command::new("rustc");
    command.current_dir(cache).env_remove("RUSTUP_TOOLCHAIN");
    command
}

const NO_COMPILER: &str =
    "Rust cells need the Rust toolchain, and `rustc` is not on the PATH: install it from https://rustup.rs";

/// What `rustc` says in the cache folder, where the toolchain is pinned.
fn ask_compiler(cache: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let output = compiler(cache).args(arguments).output().context(NO_COMPILER)?;
    if !output.status.success() {
        bail!("`rustc` does not work: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
