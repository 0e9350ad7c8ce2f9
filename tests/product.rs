//! The whole product, as a hunter's tools meet it: the installed kernel over ZeroMQ, and `huntbook run`.
//!
//! The tests themselves are Python, in `tests/python`, because Jupyter's clients are. Each file is one test here.
//! They run one after the other: a kernel wants the machine for itself while it compiles.
//!
//! The Python environment is made once, in `TARGET/huntbook-tests/venv`. Where Python, pip or the package index is
//! missing the tests are skipped with the reason, except under `CI=true`.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_huntbook");
const PACKAGES: &[&str] = &[
    "jupyter_client>=8.6,<9",
    "jupyter_kernel_test>=0.7,<1",
    "nbformat>=5.10,<6",
    "nbclient>=0.10,<1",
    "papermill>=2.6,<3",
    "pytest>=8,<10",
    "psutil>=6,<8",
    // The clients that `huntbook serve` is made for. Kqlmagic draws with prettytable as it was before 3.12.
    "azure-monitor-query>=2,<3",
    "azure-monitor-ingestion>=1.1,<2",
    "azure-kusto-data[pandas]>=6,<7",
    "Kqlmagic==0.1.114.post26",
    "prettytable<3.12",
    "setuptools<81",
    "duckdb-kql[duckdb]>=1.1,<2",
];
/// Variables, by how they begin, that `cargo test` and rustup set and a user's shell does not.
const SET_BY_CARGO: [&str; 9] = [
    "CARGO_TARGET_DIR",
    "CARGO_MANIFEST_",
    "CARGO_PKG_",
    "CARGO_BIN_",
    "CARGO_CRATE_NAME",
    "CARGO_PRIMARY_PACKAGE",
    "RUSTUP_TOOLCHAIN",
    "LD_LIBRARY_PATH",
    "HUNTBOOK_",
];
/// Only against hanging.
const PATIENCE: Duration = Duration::from_secs(45 * 60);
const POLL: Duration = Duration::from_millis(50);

macro_rules! python_tests {
    ($($name:ident)*) => { $(
        #[test]
        fn $name() {
            run_file(concat!("test_", stringify!($name), ".py"));
        })* };
}

python_tests! { kernel magics pictures session_magics completion errors suggestions injection redaction interrupt protocol conformance headless bad_input first_cells second_start history input serve serve_clients serve_ingestion connections rule sentinel blob soak }

#[test]
fn every_python_file_is_run() {
    let this = include_str!("product.rs");
    let list = this.split("python_tests! {").nth(1).and_then(|rest| rest.split('}').next()).unwrap();
    for entry in std::fs::read_dir(python_folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(name) = name.strip_prefix("test_").and_then(|name| name.strip_suffix(".py")) {
            assert!(list.split_whitespace().any(|listed| listed == name), "{name} is not in python_tests!");
        }
    }
}

fn run_file(name: &str) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let python = match environment() {
        Ok(python) => python,
        Err(why) => return skip(name, why),
    };
    let scratch = tempfile::tempdir().unwrap();
    let log = scratch.path().join("pytest.log");
    let mut command = clean(python);
    command
        .args(["-m", "pytest", "-q", "--tb=short", "--color=no", "-p", "no:cacheprovider", "-rs", "--basetemp"])
        .arg(scratch.path().join("pytest"))
        .arg(python_folder().join(name))
        .env("HUNTBOOK", BINARY)
        .env("HUNTBOOK_WORKSPACE", scratch.path().join("workspace"))
        .env("JUPYTER_RUNTIME_DIR", scratch.path().join("runtime"))
        .current_dir(scratch.path());
    let status = wait(command, &log);
    let text = String::from_utf8_lossy(&std::fs::read(&log).unwrap_or_default()).into_owned();
    match status {
        Some(status) if status.success() => println!("{text}"),
        Some(status) => panic!("{name}: {status}\n{text}"),
        None => panic!("{name} did not end within {PATIENCE:?}\n{text}"),
    }
}

/// Says so even when the test harness captures what tests print.
fn skip(name: &str, why: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{name} cannot run: {why}");
    let _ = writeln!(std::io::stderr(), "SKIPPED {name}: {why}");
}

/// Runs to the end, output into `log`; `None` when it had to be killed.
fn wait(mut command: Command, log: &Path) -> Option<ExitStatus> {
    let out = File::create(log).unwrap();
    let errors = out.try_clone().unwrap();
    let mut child = command.stdin(Stdio::null()).stdout(out).stderr(errors).spawn().unwrap();
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::sleep(POLL);
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

/// The Python of the tests' environment, with the kernel installed and what cells need built; or what is missing.
fn environment() -> &'static Result<PathBuf, String> {
    static ENVIRONMENT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let venv = tests_folder().join("venv");
        let python = make_environment(&venv)?;
        succeed(clean(BINARY).args(["kernel", "install", "--prefix"]).arg(&venv));
        succeed(clean(BINARY).args(["kernel", "prepare"]));
        Ok(python)
    })
}

fn make_environment(venv: &Path) -> Result<PathBuf, String> {
    let python = venv.join("bin").join("python");
    // Written last: an environment whose making was cut short is made anew.
    let stamp = venv.join("huntbook-packages");
    let wanted = PACKAGES.join("\n");
    if std::fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) && works(&python) {
        return Ok(python);
    }
    let _ = std::fs::remove_dir_all(venv);
    std::fs::create_dir_all(tests_folder()).unwrap();
    let made = match clean("python3").args(["-m", "venv"]).arg(venv).output() {
        Ok(made) => made,
        Err(error) => return Err(format!("python3 cannot be started: {error}")),
    };
    only_missing(&made, "python3 -m venv", &["ensurepip", "No module named venv"])?;
    let mut pip = clean(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(PACKAGES);
    let absent = [
        "No module named pip",
        "No matching distribution",
        "NewConnectionError",
        "Failed to establish",
        "ConnectTimeout",
    ];
    only_missing(&pip.output().unwrap(), "pip install", &absent)?;
    std::fs::write(stamp, wanted).unwrap();
    Ok(python)
}

/// An error when one of the signs says that something is missing here; a panic when it failed otherwise.
fn only_missing(output: &Output, what: &str, signs: &[&str]) -> Result<(), String> {
    if output.status.success() {
        return Ok(());
    }
    let text = both(output);
    assert!(signs.iter().any(|sign| text.contains(sign)), "{what} failed:\n{text}");
    Err(format!("{what} failed, something is missing on this machine:\n{text}"))
}

fn works(python: &Path) -> bool {
    clean(python).args(["-c", "import jupyter_client, pytest"]).output().is_ok_and(|output| output.status.success())
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, both(&output));
}

fn both(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A command in a user's environment: `cargo test` sets variables that would steer the cells' own builds.
fn clean(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if SET_BY_CARGO.iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(&*name);
        }
    }
    command
        .env("HUNTBOOK_CACHE", tests_folder().join("cache"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env_remove("PYTHONPATH");
    command
}

/// Beside the build's own artefacts, so that it goes with them.
fn tests_folder() -> PathBuf {
    let target = Path::new(BINARY).parent().and_then(Path::parent).unwrap();
    target.join("huntbook-tests")
}

fn python_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join("tests").join("python").canonicalize().unwrap()
}
