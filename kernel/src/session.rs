//! Runs cells, whoever asks: the router between magics and Rust.

mod assist;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::time::{Duration, Instant};

use huntbook_engine::{Engine, FrameId, Settings};
use huntbook_magics::{Magic, Segment, split};

use crate::cells::{RustCells, Template, assigned, mentioned, remove_leftovers};
use crate::hub::Hub;
use crate::output::{CellError, Output, Sink, Stream};
use crate::{cell_process, processes};

/// How long an interrupted engine call has to reach user code and end the cell by itself.
const GRACE: Duration = Duration::from_secs(2);

/// How long an interrupt goes on to end what the cell starts: rust-analyzer's loading cannot be ended, the build behind it can.
const ENDS_AT_LAST: Duration = Duration::from_secs(10);

/// How long an interrupted cell may take to end by its own handler.
const PATIENCE: Duration = Duration::from_millis(300);

/// Where a session works.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) workspace: PathBuf,
    /// The notebook's folder: cells start in it, relative paths are relative to it.
    pub(crate) folder: PathBuf,
}

pub(crate) struct Session {
    engine: Arc<Engine>,
    hub: Arc<Hub>,
    jobs: mpsc::Sender<Job>,
    state: Mutex<State>,
    interrupted: AtomicBool,
    /// The cell that runs, counted from 1; 0 if none does.
    running: AtomicU64,
    begun: AtomicU64,
    /// A magic runs: the cell process has nothing to do with it.
    in_magic: AtomicBool,
    /// The cell process, once there is one; the handle stays valid when evcxr restarts it.
    process: Arc<Mutex<Option<Arc<Mutex<Child>>>>>,
}

#[derive(Default)]
struct State {
    /// Rust variables and their types, as of the last cell.
    variables: BTreeMap<String, String>,
    /// For a name, the engine's binding that the Rust variable of this name was last in step with.
    in_step: HashMap<String, Option<FrameId>>,
    /// Rust variables changed since the engine last heard of them.
    changed: BTreeSet<String>,
}

type Job = Box<dyn FnOnce(&mut Rust) + Send>;

/// evcxr on its own thread: a cell process dies with the thread that started it.
struct Rust {
    hub: Arc<Hub>,
    folder: PathBuf,
    cells: Option<RustCells>,
    process: Arc<Mutex<Option<Arc<Mutex<Child>>>>>,
}

impl Session {
    pub(crate) fn start(options: &Options) -> anyhow::Result<Arc<Session>> {
        let private = private_folder();
        let settings = Settings {
            workspace: options.workspace.clone(),
            base: options.folder.clone(),
            transfer: private.join("transfer"),
        };
        let engine = Arc::new(Engine::new(settings)?);
        let hub = Hub::start(engine.clone(), private)?;
        let shown = Arc::downgrade(&hub);
        engine.show_progress_with(move |display| {
            if let Some(hub) = shown.upgrade() {
                hub.emit(Output::Display(display));
            }
        });
        let (jobs, receiver) = mpsc::channel::<Job>();
        let process = Arc::new(Mutex::new(None));
        let mut rust = Rust { hub: hub.clone(), folder: options.folder.clone(), cells: None, process: process.clone() };
        std::thread::Builder::new().name("rust-cells".into()).spawn(move || {
            for job in receiver {
                job(&mut rust);
            }
        })?;
        Ok(Arc::new(Session {
            engine,
            hub,
            jobs,
            state: Mutex::default(),
            interrupted: AtomicBool::new(false),
            running: AtomicU64::new(0),
            begun: AtomicU64::new(0),
            in_magic: AtomicBool::new(false),
            process,
        }))
    }

    /// Makes Rust ready behind the scenes: build folder, evcxr, rust-analyzer.
    pub(crate) fn warm_up(&self) {
        let job: Job = Box::new(|rust| {
            if let Ok(cells) = rust.ready()
                && let Err(error) = cells.warm_up()
            {
                tracing::warn!("warm-up: {error}");
            }
            remove_leftovers();
        });
        let _ = self.jobs.send(job);
    }

    /// Runs one cell; what it emits goes to the sink, in order.
    pub(crate) fn execute(&self, code: &str, sink: Arc<dyn Sink>) -> Result<(), CellError> {
        self.interrupted.store(false, Ordering::SeqCst);
        self.running.store(self.begun.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        self.engine.begin_cell();
        self.hub.begin_cell(sink);
        let segments = split(code);
        let last = segments.len().saturating_sub(1);
        let result = segments.into_iter().enumerate().try_for_each(|(index, segment)| {
            if self.interrupted.load(Ordering::SeqCst) {
                return Err(interrupted());
            }
            match segment {
                Segment::Magic { text, .. } => self.run_magic(text, index == last),
                Segment::Rust { line, text } => self.run_rust(line, text),
            }
        });
        self.hub.pump();
        self.running.store(0, Ordering::SeqCst);
        match result {
            Err(error) if self.interrupted.load(Ordering::SeqCst) => Err(as_interrupt(error)),
            other => other,
        }
    }

    /// `is_last`: only the last thing in a cell can be the cell's value.
    fn run_magic(&self, text: &str, is_last: bool) -> Result<(), CellError> {
        let magic = Magic::parse(text)?;
        if let Magic::Use(library) = &magic {
            return self.use_library(library);
        }
        self.publish(&magic)?;
        self.in_magic.store(true, Ordering::SeqCst);
        let displays = magic.run(&self.engine);
        self.in_magic.store(false, Ordering::SeqCst);
        for mut display in displays? {
            display.is_result &= is_last;
            self.hub.emit(Output::Display(display));
        }
        Ok(())
    }

    fn use_library(&self, library: &str) -> Result<(), CellError> {
        if library != "polars" {
            return Err(CellError::new(
                "MagicError",
                format!(
                    "`%use` knows `polars`, not `{library}`; for other crates: `:dep {library}` as the first line of a cell"
                ),
            ));
        }
        let text = "Adding polars to Rust cells: the first time on this machine it is built, which takes minutes...\n"
            .to_owned();
        self.hub.emit(Output::Stream { stream: Stream::Stderr, text });
        self.with_rust(|rust| rust.ready()?.use_polars())
    }

    fn run_rust(&self, line: usize, code: &str) -> Result<(), CellError> {
        self.announce_first_build();
        let frames = self.frames_to_inject(code);
        // Errors count lines within the cell, of which this segment may be the tail.
        let padded = format!("{}{code}", "\n".repeat(line));
        let (injected, lifetime) = (frames.clone(), code.to_owned());
        let (result, variables) = self.with_rust(move |rust| {
            let cells = rust.ready()?;
            let result = cells.run(&padded, &frames);
            Ok((result, cells.variables()))
        })?;
        self.after_rust(&lifetime, &injected, variables);
        result
    }

    /// Frames of the engine that the code names and that Rust does not have, or has in an older version.
    fn frames_to_inject(&self, code: &str) -> Vec<String> {
        let state = self.state();
        let wanted = |name: &String| {
            let binding = self.engine.binding(name);
            mentioned(code, name) && binding.is_some() && state.in_step.get(name).copied().flatten() != binding
        };
        self.engine.names().into_iter().map(|(name, _, _)| name).filter(wanted).collect()
    }

    fn after_rust(&self, code: &str, injected: &[String], variables: Vec<(String, String)>) {
        let mut state = self.state();
        state.variables = variables.into_iter().collect();
        for name in injected {
            state.in_step.insert(name.clone(), self.engine.binding(name));
        }
        let names: Vec<String> = state.variables.keys().cloned().collect();
        for name in names.into_iter().filter(|name| assigned(code, name)) {
            state.in_step.insert(name.clone(), self.engine.binding(&name));
            state.changed.insert(name);
        }
        // A variable that is gone (moved, or lost with its process) no longer stands for the frame.
        let State { variables, in_step, changed } = &mut *state;
        in_step.retain(|name, _| variables.contains_key(name));
        changed.retain(|name| variables.contains_key(name));
    }

    /// Makes the Rust variables that a magic names known to the engine.
    fn publish(&self, magic: &Magic) -> Result<(), CellError> {
        for name in magic.frames_wanted() {
            let stale = {
                let state = self.state();
                state.variables.get(&name).is_some_and(|type_name| is_frame(type_name)) && state.changed.contains(&name)
            };
            if stale {
                self.hidden(format!("huntbook::rt::publish(\"{name}\", &{name}).unwrap();"))?;
                let mut state = self.state();
                state.changed.remove(&name);
                let binding = self.engine.binding(&name);
                state.in_step.insert(name, binding);
            }
        }
        for name in magic.scalars_wanted() {
            if self.state().variables.contains_key(&name) {
                self.hidden(format!("huntbook::rt::publish_scalar(\"{name}\", &{name}).unwrap();")).map_err(
                    |error| {
                        if error.name != "CompileError" {
                            return error;
                        }
                        let type_name = self.state().variables.get(&name).cloned().unwrap_or_default();
                        CellError::new(
                            "KqlError",
                            format!(
                                "`${{{name}}}` is a {type_name}: only numbers, text and Booleans can stand in a query"
                            ),
                        )
                    },
                )?;
            }
        }
        Ok(())
    }

    /// Runs Rust that the user did not write.
    fn hidden(&self, code: String) -> Result<(), CellError> {
        self.with_rust(move |rust| Ok(rust.ready()?.run(&code, &[])))?
    }

    fn with_rust<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Rust) -> Result<T, CellError> + Send + 'static,
    ) -> Result<T, CellError> {
        let (sender, receiver) = mpsc::channel();
        let job: Job = Box::new(move |rust| drop(sender.send(work(rust))));
        let gone = || CellError::new("KernelError", "the thread that runs Rust cells has stopped: restart the kernel");
        self.jobs.send(job).map_err(|_| gone())?;
        receiver.recv().map_err(|_| gone())?
    }

    fn announce_first_build(&self) {
        if lock(&self.process).is_none() && !Template::locate().is_ok_and(|template| template.is_ready()) {
            let text = "Preparing Rust cells, once for this machine: a minute or two...\n".to_owned();
            self.hub.emit(Output::Stream { stream: Stream::Stderr, text });
        }
    }

    /// Stops the running cell. Harmless when none runs.
    pub(crate) fn interrupt(&self) {
        let cell = self.running.load(Ordering::SeqCst);
        if cell == 0 {
            return;
        }
        self.interrupted.store(true, Ordering::SeqCst);
        let in_engine = self.hub.is_engine_busy();
        let in_magic = self.in_magic.load(Ordering::SeqCst);
        self.engine.cancel();
        if in_magic {
            return;
        }
        if in_engine && self.ends_within(cell, GRACE) {
            return;
        }
        if !in_engine && self.ends_within(cell, Duration::from_millis(20)) {
            return;
        }
        self.stop_rust(cell);
    }

    /// Ends the process that runs the cell. With a checkpoint the variables stay; else they are lost with it. The next cell
    /// may have begun at any time: nothing of it is touched.
    #[cfg(target_os = "linux")]
    fn stop_rust(&self, cell: u64) {
        let began = Instant::now();
        let send = |pid, signal| {
            if self.runs(cell) {
                processes::send(pid, signal);
            }
        };
        while self.runs(cell) && began.elapsed() < ENDS_AT_LAST {
            match cell_process::running(&self.hub.status()) {
                // It is compiled, or rust-analyzer is at work on it and a build follows.
                None => processes::kill_builds(|| self.runs(cell)),
                Some(process) if process.has_checkpoint => {
                    send(process.pid, libc::SIGINT);
                    // User code may have a handler of its own.
                    let ended = self.ends_within(cell, PATIENCE);
                    if !ended && cell_process::running(&self.hub.status()) == Some(process) {
                        send(process.pid, libc::SIGKILL);
                    }
                }
                Some(process) => send(process.pid, libc::SIGKILL),
            }
            if self.ends_within(cell, Duration::from_millis(5)) {
                return;
            }
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn stop_rust(&self, cell: u64) {
        if let Some(process) = lock(&self.process).as_ref()
            && self.runs(cell)
        {
            let _ = lock(process).kill();
        }
    }

    fn runs(&self, cell: u64) -> bool {
        self.running.load(Ordering::SeqCst) == cell
    }

    fn ends_within(&self, cell: u64, patience: Duration) -> bool {
        let began = Instant::now();
        while began.elapsed() < patience {
            if !self.runs(cell) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    /// Ends the cell process and running builds and removes this kernel's files.
    pub(crate) fn shut_down(&self) {
        self.interrupted.store(true, Ordering::SeqCst);
        self.engine.cancel();
        processes::kill_builds(|| true);
        if let Some(process) = lock(&self.process).as_ref() {
            let _ = lock(process).kill();
        }
        self.hub.remove_files();
        let _ = std::fs::remove_dir_all(std::env::var_os("EVCXR_TMPDIR").unwrap_or_default());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Rust {
    /// evcxr, started when it is not running yet. A failure is this cell's; the next one tries anew, since what was
    /// missing may be installed by then. Magics work without it.
    fn ready(&mut self) -> Result<&mut RustCells, CellError> {
        if self.cells.is_none() {
            let started = self.hub.muted(|| RustCells::start(self.hub.clone(), &self.folder));
            let cells = started.map_err(|error| CellError::new("RustUnavailable", format!("{error:#}")))?;
            *lock(&self.process) = Some(cells.process());
            self.cells = Some(cells);
        }
        self.cells.as_mut().ok_or_else(|| CellError::new("RustUnavailable", "Rust could not be started"))
    }
}

/// Is this the type of the prelude's handles?
fn is_frame(type_name: &str) -> bool {
    type_name == "Frame" || type_name.ends_with("::Frame")
}

fn interrupted() -> CellError {
    CellError::new("Interrupted", "the cell was interrupted")
}

/// What a cell fails with when it was interrupted; a lost process is said all the same.
fn as_interrupt(error: CellError) -> CellError {
    if error.name == "CellProcessEnded" {
        let lost = error.value.split_once(". ").map_or("", |(_, rest)| rest).to_owned();
        return CellError::new("Interrupted", format!("the cell was interrupted. {lost}"));
    }
    interrupted()
}

/// A folder for sockets and column data that only this user can enter; in memory where the system has that.
fn private_folder() -> PathBuf {
    let base =
        ["/dev/shm"].map(PathBuf::from).into_iter().find(|folder| folder.is_dir()).unwrap_or_else(std::env::temp_dir);
    let id = uuid::Uuid::new_v4().simple().to_string();
    base.join(format!("huntbook-{}-{}", std::process::id(), &id[..12]))
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
