//! Stands for cargo when evcxr builds cells.
//!
//! For every cell evcxr calls `cargo build`, and cargo spends longer on finding that no dependency has changed than
//! rustc on the cell. Here the first build with given dependencies is cargo's own, and what cargo asked rustc for the
//! cell itself is kept; the next cells ask rustc the same, without cargo.
//!
//! ```text
//! FOLDER/bin/cargo           this program: what evcxr takes for cargo
//! FOLDER/bin/rustup          this program: tells evcxr so
//! FOLDER/bin/rustc-recorder  this program: cargo calls it instead of rustc, and it keeps the call
//! FOLDER/bin/real-cargo      cargo
//! FOLDER/calls.json          the calls, by what they depend on
//! ```

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;
use std::{fs, io};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::timing::{self, Build};
use super::toolchain::Toolchain;

const CARGO: &str = "cargo";
const RUSTUP: &str = "rustup";
const RECORDER: &str = "rustc-recorder";
const REAL_CARGO: &str = "real-cargo";
const CALLS: &str = "calls.json";
const CONFIG: &str = ".cargo/config.toml";
/// What evcxr names the crate of a cell.
const CELL_CRATE: &str = "ctx";

/// Puts the stand-ins into a build folder; gives the folder that belongs in front of evcxr's `PATH`.
pub(super) fn install(folder: &Path, toolchain: &Toolchain) -> anyhow::Result<PathBuf> {
    let bin = folder.join("bin");
    let _ = fs::remove_dir_all(&bin);
    fs::create_dir_all(&bin)?;
    let program = std::env::current_exe()?;
    for name in [CARGO, RUSTUP, RECORDER] {
        symlink(&program, bin.join(name))?;
    }
    symlink(toolchain.cargo()?, bin.join(REAL_CARGO))?;
    Ok(bin)
}

/// Runs as one of the stand-ins, if that is the name this program was called by.
pub fn run_if_requested() -> Option<ExitCode> {
    let mut arguments = std::env::args_os();
    let called = PathBuf::from(arguments.next()?);
    let role: fn(&Path, &[OsString]) -> anyhow::Result<ExitCode> = match called.file_name()?.to_str()? {
        CARGO => as_cargo,
        RUSTUP => as_rustup,
        RECORDER => as_recorder,
        _ => return None,
    };
    let bin = bin_of(&called)?;
    let arguments: Vec<OsString> = arguments.collect();
    let result = role(&bin, &arguments);
    Some(result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    }))
}

/// The folder that the program was called in: by its path, or by its name and found through `PATH`.
fn bin_of(called: &Path) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let by_name = std::env::split_paths(&path).find(|folder| folder.join(called).exists());
    let bin = if called.components().count() > 1 { called.parent()?.to_owned() } else { by_name? };
    bin.join(REAL_CARGO).is_symlink().then_some(bin)
}

fn as_rustup(bin: &Path, arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    if arguments == ["which", CARGO] {
        println!("{}", bin.join(CARGO).display());
        return Ok(ExitCode::SUCCESS);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let others = std::env::join_paths(std::env::split_paths(&path).filter(|folder| folder != bin))?;
    Err(Command::new(RUSTUP).args(arguments).env("PATH", others).exec()).context("rustup cannot be started")
}

fn as_cargo(bin: &Path, arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let folder = bin.parent().context("the stand-in for cargo lies in no build folder")?;
    if !arguments.iter().any(|argument| argument == "build") {
        return Err(Command::new(bin.join(REAL_CARGO)).args(arguments).exec()).context("cargo cannot be started");
    }
    let build = Build::start(folder);
    let key = key(folder, arguments);
    if let Some(call) = key.as_ref().and_then(|key| Calls::read(folder).calls.remove(key)?.moved_to(folder)) {
        let began = Instant::now();
        let code = call.repeat();
        build.end(folder, Some(began.elapsed()));
        return code;
    }
    let code = real_build(bin, folder, arguments, key);
    build.end(folder, None);
    code
}

/// Lets cargo build. `None` for the key: what it does cannot be kept.
fn real_build(bin: &Path, folder: &Path, arguments: &[OsString], key: Option<String>) -> anyhow::Result<ExitCode> {
    let mut cargo = Command::new(bin.join(REAL_CARGO));
    cargo.args(arguments);
    let Some(key) = key else {
        return cargo.status().map(code).context("cargo cannot be started");
    };
    let _ = fs::remove_file(pending(folder));
    let status = cargo.env("RUSTC_WRAPPER", bin.join(RECORDER)).status().context("cargo cannot be started")?;
    // Also when the cell was refused: cargo called rustc for it, so all dependencies are built.
    if let Some(call) = fs::read(pending(folder)).ok().and_then(|text| serde_json::from_slice::<Call>(&text).ok()) {
        let mut calls = Calls::read(folder);
        // The build may have written Cargo.lock: the next cell finds it as it is now.
        for key in self::key(folder, arguments).into_iter().chain([key]) {
            calls.calls.insert(key, call.clone());
        }
        calls.write(folder)?;
    }
    Ok(code(status))
}

/// Called by cargo as `rustc-recorder RUSTC ARGUMENTS...`.
fn as_recorder(bin: &Path, arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let (rustc, arguments) = arguments.split_first().context("no compiler was named")?;
    let is_cell = arguments.windows(2).any(|pair| pair[0] == "--crate-name" && pair[1] == CELL_CRATE);
    let mut compiler = Command::new(rustc);
    compiler.args(arguments);
    let Some(folder) = bin.parent().filter(|_| is_cell) else {
        return Err(compiler.exec()).context("the compiler cannot be started");
    };
    if let Some(call) = Call::new(folder, rustc, arguments) {
        fs::write(pending(folder), serde_json::to_vec(&call)?)?;
    }
    let began = Instant::now();
    let status = compiler.status().context("the compiler cannot be started")?;
    timing::tell_rustc(folder, began.elapsed());
    Ok(code(status))
}

/// Where the recorder leaves the call of the running build.
fn pending(folder: &Path) -> PathBuf {
    folder.join("call.json")
}

/// What cargo's call of rustc depends on; `None` if that is more than can be known without cargo.
fn key(folder: &Path, arguments: &[OsString]) -> Option<String> {
    // sccache, which evcxr can be told to use, is a wrapper itself.
    if std::env::var_os("RUSTC_WRAPPER").is_some() {
        return None;
    }
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).ok()?;
    if names_local_sources(&manifest)? {
        return None;
    }
    let mut hash = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hash.update(bytes.len().to_le_bytes());
        hash.update(bytes);
    };
    // evcxr writes the dependencies in any order.
    let mut lines: Vec<&str> = manifest.lines().collect();
    lines.sort_unstable();
    lines.iter().for_each(|line| add(line.as_bytes()));
    for file in [folder.join("Cargo.lock"), folder.join(CONFIG), crate::paths::cache().join(CONFIG)] {
        add(&fs::read(file).unwrap_or_default());
    }
    for variable in ["RUSTC", "RUSTFLAGS"] {
        add(std::env::var_os(variable).unwrap_or_default().as_encoded_bytes());
    }
    for argument in arguments {
        add(argument.as_encoded_bytes());
    }
    Some(hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect())
}

/// A dependency by path may change at any time, as only cargo can tell. The prelude, in our cache, does not.
fn names_local_sources(manifest: &str) -> Option<bool> {
    let manifest: toml::Table = toml::from_str(manifest).ok()?;
    let Some(dependencies) = manifest.get("dependencies").and_then(toml::Value::as_table) else { return Some(false) };
    let cache = crate::paths::cache();
    let mut paths = dependencies.values().filter_map(|dependency| dependency.get("path").and_then(toml::Value::as_str));
    Some(paths.any(|path| !Path::new(path).starts_with(&cache)))
}

#[derive(Default, Serialize, Deserialize)]
struct Calls {
    calls: BTreeMap<String, Call>,
}

impl Calls {
    /// A file that cannot be read is as good as none: cargo then does the work.
    fn read(folder: &Path) -> Calls {
        fs::read(folder.join(CALLS)).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    fn write(&self, folder: &Path) -> anyhow::Result<()> {
        Ok(fs::write(folder.join(CALLS), serde_json::to_vec_pretty(self)?)?)
    }
}

/// How rustc is called for a cell.
#[derive(Clone, Serialize, Deserialize)]
struct Call {
    /// The build folder that the paths are in; a clone of it has another.
    folder: String,
    rustc: String,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
}

impl Call {
    /// `None` if a word is not text.
    fn new(folder: &Path, rustc: &OsStr, arguments: &[OsString]) -> Option<Call> {
        let text = |word: &OsString| word.to_str().map(str::to_owned);
        let from_cargo = |name: &str| {
            // The job server belongs to one run of cargo.
            (name.starts_with("CARGO") && name != "CARGO_MAKEFLAGS") || name == "LD_LIBRARY_PATH" || name == "OUT_DIR"
        };
        Some(Call {
            folder: fs::canonicalize(folder).ok()?.to_str()?.to_owned(),
            rustc: rustc.to_str()?.to_owned(),
            arguments: arguments.iter().map(text).collect::<Option<_>>()?,
            environment: std::env::vars().filter(|(name, _)| from_cargo(name)).collect(),
        })
    }

    /// The same call for a clone of the folder that it was made in; `None` if it would not stay in there.
    fn moved_to(mut self, folder: &Path) -> Option<Call> {
        let here = fs::canonicalize(folder).ok()?.to_str()?.to_owned();
        for word in self.arguments.iter_mut().chain(self.environment.values_mut()) {
            *word = word.replace(&self.folder, &here);
        }
        self.folder = here;
        self.out_dir()?.starts_with(&self.folder).then_some(self)
    }

    fn out_dir(&self) -> Option<PathBuf> {
        self.arguments.windows(2).find_map(|pair| (pair[0] == "--out-dir").then(|| PathBuf::from(&pair[1])))
    }

    /// Calls rustc for the cell that stands in the folder, and says as cargo does where the library is.
    fn repeat(&self) -> anyhow::Result<ExitCode> {
        let out_dir = self.out_dir().context("cargo named no folder for the cell's library")?;
        let name = format!("{}{CELL_CRATE}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
        let built = out_dir.join(&name);
        // The last cell's library may still be loaded: it must not be written over.
        remove(&built)?;
        let mut rustc = Command::new(&self.rustc);
        rustc.args(&self.arguments).envs(&self.environment);
        let status = rustc.current_dir(&self.folder).status().context("the compiler cannot be started")?;
        if status.success() {
            let library = out_dir.with_file_name(&name);
            fs::rename(&built, &library)?;
            let message = serde_json::json!({
                "reason": "compiler-artifact", "target": {"name": CELL_CRATE}, "filenames": [library],
            });
            println!("{message}");
        }
        Ok(code(status))
    }
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn code(status: std::process::ExitStatus) -> ExitCode {
    if status.success() { ExitCode::SUCCESS } else { ExitCode::from(101) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_that_may_change_are_left_to_cargo() {
        let cache = crate::paths::cache();
        let ours = format!("[dependencies]\nhuntbook = {{ path = {:?} }}\nregex = \"1\"", cache.join("templates/x"));
        assert_eq!(names_local_sources(&ours), Some(false));
        assert_eq!(names_local_sources("[dependencies]\nmine = { path = \"/home/me/mine\" }"), Some(true));
        assert_eq!(names_local_sources("[package]\nname = \"ctx\""), Some(false));
        assert_eq!(names_local_sources("not toml"), None);
    }

    #[test]
    fn a_call_moves_with_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("target/deps");
        fs::create_dir_all(&out).unwrap();
        let call = Call {
            folder: "/template".to_owned(),
            rustc: "/bin/sh".to_owned(),
            arguments: [
                "-c",
                "echo $WHERE > \"$2/libctx.so\"",
                "--out-dir",
                "/template/target/deps",
                "/template/target/deps",
            ]
            .map(str::to_owned)
            .to_vec(),
            environment: BTreeMap::from([("WHERE".to_owned(), "/template/x".to_owned())]),
        };
        call.moved_to(folder.path()).unwrap().repeat().unwrap();
        let written = fs::read_to_string(folder.path().join("target/libctx.so")).unwrap();
        assert_eq!(Path::new(written.trim()), fs::canonicalize(folder.path()).unwrap().join("x"));
        assert!(!out.join("libctx.so").exists());
    }
}
