//! The folder in which evcxr builds cells.
//!
//! ```text
//! CACHE/.cargo/config.toml           dependencies of cells at opt-level 3; cells themselves at 0
//! CACHE/templates/HASH/{wire,prelude}  the prelude's sources, from this binary
//! CACHE/templates/HASH/library       links to the parts of the standard library's sources that are read
//! CACHE/templates/HASH/build         evcxr's folder with the prelude built; `ready` when it is complete
//! CACHE/kernels/PID-ID               one kernel's folder: a clone of the template, removed with the kernel
//! ```
//!
//! A template is made once per toolchain and version; a kernel start clones it and compiles nothing.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};

use super::toolchain::{self, Toolchain};
use crate::paths;

include!(concat!(env!("OUT_DIR"), "/sources.rs"));

/// Names the folder when a subprocess is to build a template rather than run a kernel.
const FOLDER_VARIABLE: &str = "HUNTBOOK_BUILD_FOLDER";

/// Chooses this process's build folder and tells evcxr through the environment.
pub fn prepare_environment() {
    let folder = std::env::var_os(FOLDER_VARIABLE).map(PathBuf::from).unwrap_or_else(|| {
        let id = uuid::Uuid::new_v4().simple().to_string();
        paths::cache().join("kernels").join(format!("{}-{}", std::process::id(), &id[..8]))
    });
    // SAFETY: called first thing in main, before any thread starts.
    unsafe {
        std::env::set_var("EVCXR_TMPDIR", folder);
        // An evcxr.toml of the user, or one lying in a notebook's folder, must not run in our cells.
        std::env::set_var("EVCXR_CONFIG_DIR", paths::cache().join("evcxr-config"));
        // evcxr loads the standard library into rust-analyzer twice: for the `42` that it runs to see whether it
        // works, and with the prelude. The first time is for nothing, and seconds: rust-analyzer finds no compiler.
        std::env::set_var("RUSTC", "huntbook-not-yet");
    }
}

/// Lets rust-analyzer find the compiler, and the sources of the standard library that the template holds.
pub(crate) fn reveal_compiler(template: &Template) {
    // SAFETY: everything in this process that reads the environment does so through std, which locks it.
    unsafe {
        std::env::remove_var("RUSTC");
        std::env::set_var("RUST_SRC_PATH", template.std_sources());
    }
}

/// While it lives, programs are found in a folder of ours first; the cell process knows nothing of it.
pub(super) struct PathWith {
    before: OsString,
}

impl PathWith {
    pub(super) fn new(folder: &Path, cell_process: &mut Command) -> anyhow::Result<PathWith> {
        let before = std::env::var_os("PATH").unwrap_or_default();
        cell_process.env("PATH", &before);
        let path = std::env::join_paths([folder.to_owned()].into_iter().chain(std::env::split_paths(&before)))?;
        // SAFETY: everything in this process that reads the environment does so through std, which locks it.
        unsafe { std::env::set_var("PATH", path) };
        Ok(PathWith { before })
    }
}

impl Drop for PathWith {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { std::env::set_var("PATH", &self.before) };
    }
}

pub(crate) fn folder() -> PathBuf {
    std::env::var_os("EVCXR_TMPDIR").map(PathBuf::from).unwrap_or_else(|| paths::cache().join("kernels").join("unset"))
}

/// A template: where the prelude's sources and its built artefacts are.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    root: PathBuf,
    toolchain: Toolchain,
}

impl Template {
    /// The template for this binary and the installed toolchain. Asks the toolchain once per process, for 0.1 s.
    pub(crate) fn locate() -> anyhow::Result<&'static Template> {
        static LOCATED: OnceLock<Template> = OnceLock::new();
        if let Some(template) = LOCATED.get() {
            return Ok(template);
        }
        let cache = paths::cache();
        fs::create_dir_all(cache.join(".cargo")).with_context(|| format!("cannot make {}", cache.display()))?;
        write_if_changed(&cache.join(".cargo/config.toml"), CARGO_CONFIG)?;
        let toolchain = Toolchain::find(&cache)?;
        let mut hash = Sha256::new();
        for (name, text) in SOURCES.iter().chain([
            &("Cargo.lock", LOCK),
            &("config", CARGO_CONFIG),
            &("rustc", &toolchain.identity),
            &LAYOUT,
        ]) {
            hash.update(name.as_bytes());
            hash.update(text.as_bytes());
        }
        let digest: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Ok(LOCATED.get_or_init(|| Template { root: cache.join("templates").join(digest), toolchain }))
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.root.join("ready").exists()
    }

    /// Builds the template unless it is there; a second process that wants it too waits for the first.
    pub(crate) fn make_ready(&self) -> anyhow::Result<()> {
        if self.is_ready() {
            return Ok(());
        }
        fs::create_dir_all(&self.root)?;
        let lock = fs::File::create(self.root.join("lock"))?;
        lock.lock().context("cannot lock the template of the cells' build folder")?;
        if self.is_ready() {
            return Ok(());
        }
        self.write_sources()?;
        let build = self.root.join("build");
        let _ = fs::remove_dir_all(&build);
        let program = std::env::current_exe()?;
        let output = Command::new(program).args(["kernel", "build-template"]).env(FOLDER_VARIABLE, &build).output()?;
        if !output.status.success() {
            bail!("the cells' prelude could not be built:\n{}", String::from_utf8_lossy(&output.stderr));
        }
        remove_cell_artefacts(&build)?;
        fs::remove_dir_all(build.join("bin"))?;
        // A kernel begins as the template did, so that it makes the same calls of rustc.
        fs::remove_file(build.join("Cargo.lock"))?;
        fs::write(self.root.join("ready"), "")?;
        Ok(())
    }

    /// Writes the sources where path dependencies of cells point to.
    pub(crate) fn write_sources(&self) -> io::Result<()> {
        for (name, text) in SOURCES {
            let path = self.root.join(name);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            write_if_changed(&path, text)?;
        }
        toolchain::link_std_sources(&self.toolchain, &self.std_sources())
    }

    /// What rust-analyzer reads of the standard library.
    fn std_sources(&self) -> PathBuf {
        self.root.join("library")
    }

    pub(crate) fn toolchain(&self) -> &Toolchain {
        &self.toolchain
    }

    pub(crate) fn prelude(&self) -> PathBuf {
        self.root.join("prelude")
    }

    pub(crate) fn polars_bridge(&self) -> PathBuf {
        self.root.join("prelude").join("polars")
    }

    pub(crate) fn tokio_bridge(&self) -> PathBuf {
        self.root.join("prelude").join("tokio")
    }

    /// Gives what a kernel has built beyond the template to the template: the next kernel finds it ready.
    pub(crate) fn adopt(&self, folder: &Path) -> io::Result<()> {
        let lock = fs::File::create(self.root.join("lock"))?;
        lock.lock()?;
        clone_tree(&folder.join("target"), &self.root.join("build").join("target"), Existing::Keep)
    }

    /// Clones the template's build folder for this kernel.
    pub(crate) fn clone_to(&self, folder: &Path) -> io::Result<()> {
        clone_tree(&self.root.join("build"), folder, Existing::Replace)
    }
}

/// Pins the versions of everything that cells are built of to those of this repo.
pub(crate) fn write_lock(folder: &Path) -> io::Result<()> {
    fs::write(folder.join("Cargo.lock"), LOCK)
}

/// Removes what kernels that are no longer alive have left.
pub(crate) fn remove_leftovers() {
    let Ok(entries) = fs::read_dir(paths::cache().join("kernels")) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.split('-').next()).and_then(|pid| pid.parse::<i32>().ok());
        // SAFETY: signal 0 only asks whether the process exists.
        if pid.is_some_and(|pid| unsafe { libc::kill(pid, 0) } != 0) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// To be changed when a template of an earlier version is no use to this one.
const LAYOUT: (&str, &str) = ("layout", "2");

const CARGO_CONFIG: &str = "\
# Made by huntbook. Cells are compiled fast; what they depend on, once and well.
[profile.dev]
codegen-units = 1

[profile.dev.package.\"*\"]
opt-level = 3
debug = false
codegen-units = 16
";

pub(super) fn write_if_changed(path: &Path, text: &str) -> io::Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let mut file = fs::File::create(path)?;
    file.write_all(text.as_bytes())
}

/// Files of the cells themselves, which every kernel compiles for itself.
fn is_cell_artefact(name: &str) -> bool {
    ["ctx-", "libctx", "ctx.", "libcode_", "code_"].iter().any(|prefix| name.starts_with(prefix))
        || name == "incremental"
}

/// Takes out what belongs to the template's own cells.
fn remove_cell_artefacts(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let own = is_cell_artefact(&entry.file_name().to_string_lossy());
        match (own, entry.file_type()?.is_dir()) {
            (true, true) => fs::remove_dir_all(entry.path())?,
            (true, false) => fs::remove_file(entry.path())?,
            (false, true) => remove_cell_artefacts(&entry.path())?,
            (false, false) => {}
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq)]
enum Existing {
    Replace,
    Keep,
}

/// Clones a tree. Built libraries, which cargo replaces but never changes in place, are linked; the rest is copied,
/// with its times, by which cargo judges what is fresh.
fn clone_tree(from: &Path, to: &Path, existing: Existing) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if existing == Existing::Keep && is_cell_artefact(&entry.file_name().to_string_lossy()) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            clone_tree(&source, &target, existing)?;
            continue;
        }
        if existing == Existing::Keep && target.exists() {
            continue;
        }
        // A start that failed may have left the link: copying over it would empty the file it shares with the template.
        match fs::remove_file(&target) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let library = source
            .extension()
            .is_some_and(|extension| extension == "rlib" || extension == "rmeta" || extension == "so");
        if library && fs::hard_link(&source, &target).is_ok() {
            continue;
        }
        fs::copy(&source, &target)?;
        let modified = entry.metadata()?.modified()?;
        fs::File::options().append(true).open(&target)?.set_modified(modified)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cloning_again_leaves_the_template_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (template, clone) = (folder.path().join("template"), folder.path().join("clone"));
        fs::create_dir(&template).unwrap();
        fs::write(template.join("libserde.rlib"), "library").unwrap();
        fs::write(template.join("Cargo.toml"), "manifest").unwrap();
        for _ in 0..2 {
            clone_tree(&template, &clone, Existing::Replace).unwrap();
        }
        for file in ["libserde.rlib", "Cargo.toml"] {
            let text = fs::read_to_string(template.join(file)).unwrap();
            assert!(!text.is_empty(), "{file} of the template was emptied");
            assert_eq!(fs::read_to_string(clone.join(file)).unwrap(), text);
        }
    }
}
