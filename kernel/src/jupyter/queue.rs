//! The queue of cells and the thread that runs them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use jupyter_protocol::messaging::ExecuteRequest;
use jupyter_protocol::{JupyterMessage, JupyterMessageContent};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use crate::history::History;
use crate::jupyter::expressions;
use crate::jupyter::messages::{self, message, status};
use crate::jupyter::stdin::Stdin;
use crate::output::{CellError, Output, Sink};
use crate::session::Session;

/// Where replies and broadcasts go.
#[derive(Clone)]
pub(crate) struct Outbox {
    pub(crate) iopub: UnboundedSender<JupyterMessage>,
    pub(crate) shell: UnboundedSender<JupyterMessage>,
}

impl Outbox {
    pub(crate) fn publish(&self, message: JupyterMessage) {
        let _ = self.iopub.send(message);
    }

    pub(crate) fn reply(&self, message: JupyterMessage) {
        let _ = self.shell.send(message);
    }
}

/// Runs execute requests one after the other.
pub(crate) struct Queue {
    jobs: mpsc::Sender<JupyterMessage>,
    dropping: Arc<AtomicBool>,
}

impl Queue {
    pub(crate) fn start(
        session: Arc<Session>,
        outbox: Outbox,
        stdin: Arc<Stdin>,
        history: Arc<History>,
    ) -> std::io::Result<Queue> {
        let (jobs, receiver) = mpsc::channel();
        let dropping = Arc::new(AtomicBool::new(false));
        let count = AtomicU64::new(0);
        let worker = Worker { session, outbox, stdin, history, count, dropping: dropping.clone() };
        std::thread::Builder::new().name("cells".into()).spawn(move || worker.run(&receiver))?;
        Ok(Queue { jobs, dropping })
    }

    pub(crate) fn push(&self, request: JupyterMessage) {
        let _ = self.jobs.send(request);
    }

    /// Drops the cells that wait, after an interrupt.
    pub(crate) fn drop_waiting(&self) {
        self.dropping.store(true, Ordering::SeqCst);
    }
}

struct Worker {
    session: Arc<Session>,
    outbox: Outbox,
    stdin: Arc<Stdin>,
    history: Arc<History>,
    count: AtomicU64,
    /// An interrupt came since the running cell began.
    dropping: Arc<AtomicBool>,
}

impl Worker {
    fn run(&self, jobs: &mpsc::Receiver<JupyterMessage>) {
        while let Ok(request) = jobs.recv() {
            self.dropping.store(false, Ordering::SeqCst);
            // Only what waited before the front end could know of the failure is aborted; what it sends after that
            // is meant.
            for waiting in self.execute(&request, jobs) {
                self.abort(&waiting);
            }
        }
    }

    /// Runs a cell and gives the waiting requests that are to be aborted.
    fn execute(&self, request: &JupyterMessage, jobs: &mpsc::Receiver<JupyterMessage>) -> Vec<JupyterMessage> {
        let JupyterMessageContent::ExecuteRequest(execute) = &request.content else { return Vec::new() };
        let ExecuteRequest { code, silent, store_history, user_expressions, allow_stdin, stop_on_error } = execute;
        let counts = *store_history && !silent && !code.trim().is_empty();
        let count = self.count.fetch_add(u64::from(counts), Ordering::SeqCst) + u64::from(counts);
        self.outbox.publish(status("busy", Some(request)));
        if !silent {
            let input = json!({"code": code, "execution_count": count});
            self.outbox.publish(message("execute_input", input, Some(request)));
        }
        let publisher = Arc::new(Publisher {
            outbox: self.outbox.clone(),
            stdin: allow_stdin.then(|| self.stdin.clone()),
            interrupted: self.dropping.clone(),
            parent: request.clone(),
            count,
            silent: *silent,
            value: Mutex::default(),
            history: self.history.clone(),
            offered: Mutex::default(),
        });
        let sink: Arc<dyn Sink> = publisher.clone();
        let result = self.session.execute(code, sink.clone());
        let asked = user_expressions.as_ref().filter(|_| result.is_ok());
        let values = expressions::evaluate(&self.session, asked, &sink);
        if counts {
            self.history.record(count, code, publisher.value().as_deref());
        }
        let stop = (result.is_err() && *stop_on_error) || self.dropping.load(Ordering::SeqCst);
        let waiting = if stop { jobs.try_iter().collect() } else { Vec::new() };
        if let Err(error) = &result
            && !silent
        {
            self.outbox.publish(message("error", messages::error(error), Some(request)));
        }
        self.outbox.reply(message(
            "execute_reply",
            messages::execute_reply(&result, count, values, publisher.offered()),
            Some(request),
        ));
        self.outbox.publish(status("idle", Some(request)));
        waiting
    }

    fn abort(&self, request: &JupyterMessage) {
        self.outbox.publish(status("busy", Some(request)));
        let count = self.count.load(Ordering::SeqCst);
        self.outbox.reply(message("execute_reply", messages::aborted(count), Some(request)));
        self.outbox.publish(status("idle", Some(request)));
    }
}

/// Publishes a cell's output and asks its questions.
struct Publisher {
    outbox: Outbox,
    /// `None`: the front end takes no questions.
    stdin: Option<Arc<Stdin>>,
    interrupted: Arc<AtomicBool>,
    parent: JupyterMessage,
    count: u64,
    silent: bool,
    /// Plain text of the cell's value, for the history.
    value: Mutex<Option<String>>,
    history: Arc<History>,
    /// Texts of new cells for the notebook.
    offered: Mutex<Vec<String>>,
}

impl Publisher {
    fn value(&self) -> Option<String> {
        self.value.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    fn offered(&self) -> Vec<String> {
        std::mem::take(&mut *self.offered.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}

impl Sink for Publisher {
    fn emit(&self, output: Output) {
        if self.silent {
            return;
        }
        let (kind, content): (&str, Value) = match output {
            Output::Stream { stream, text } => ("stream", json!({"name": stream.name(), "text": text})),
            Output::Clear { wait } => ("clear_output", json!({"wait": wait})),
            Output::Display(display) if display.is_result => {
                let text = display.data.get("text/plain").and_then(Value::as_str).map(str::to_owned);
                *self.value.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = text;
                let content =
                    json!({"execution_count": self.count, "data": display.data, "metadata": display.metadata});
                ("execute_result", content)
            }
            Output::Display(display) => {
                let kind = if display.update { "update_display_data" } else { "display_data" };
                let transient = display.display_id.map_or_else(|| json!({}), |id| json!({"display_id": id}));
                (kind, json!({"data": display.data, "metadata": display.metadata, "transient": transient}))
            }
        };
        self.outbox.publish(message(kind, content, Some(&self.parent)));
    }

    fn ask(&self, prompt: &str, password: bool) -> Result<String, CellError> {
        match &self.stdin {
            Some(stdin) => stdin.ask(&self.parent, prompt, password, &self.interrupted),
            None => Err(CellError::new(
                "InputError",
                "this front end takes no questions (allow_stdin is false): run the cell in a notebook, or give the \
                 value as a parameter",
            )),
        }
    }

    fn cell(&self) -> u64 {
        self.count
    }

    fn offer_cell(&self, text: String) -> Result<(), CellError> {
        self.offered.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(text);
        Ok(())
    }

    fn inputs(&self) -> Result<Vec<(u64, String)>, CellError> {
        Ok(self.history.inputs())
    }
}
