//! Questions of a running cell to the person at the front end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, mpsc};
use std::time::Duration;

use jupyter_protocol::JupyterMessage;
use serde_json::json;
use tokio::sync::mpsc::UnboundedSender;

use crate::jupyter::messages::message;
use crate::output::CellError;

/// How soon a cell that waits for an answer notices an interrupt.
const POLL: Duration = Duration::from_millis(50);

pub(crate) struct Stdin {
    requests: UnboundedSender<JupyterMessage>,
    /// Where the answer goes while a question is open.
    waiting: Mutex<Option<mpsc::Sender<String>>>,
}

impl Stdin {
    pub(crate) fn new(requests: UnboundedSender<JupyterMessage>) -> Stdin {
        Stdin { requests, waiting: Mutex::default() }
    }

    /// Asks the client that sent `cell`; ends without an answer when `interrupted` is set.
    pub(crate) fn ask(
        &self,
        cell: &JupyterMessage,
        prompt: &str,
        password: bool,
        interrupted: &AtomicBool,
    ) -> Result<String, CellError> {
        let (sender, receiver) = mpsc::channel();
        *self.waiting() = Some(sender);
        let content = json!({"prompt": prompt, "password": password});
        let _ = self.requests.send(message("input_request", content, Some(cell)));
        loop {
            match receiver.recv_timeout(POLL) {
                Ok(answer) => return Ok(answer),
                Err(mpsc::RecvTimeoutError::Timeout) if !interrupted.load(Ordering::SeqCst) => {}
                Err(_) => {
                    *self.waiting() = None;
                    return Err(CellError::new("Interrupted", "the cell was interrupted while it waited for input"));
                }
            }
        }
    }

    /// An answer came. jupyter_client's replies do not say to which question: only one is open at a time, and an
    /// answer to none is dropped.
    pub(crate) fn answered(&self, answer: String) {
        if let Some(waiting) = self.waiting().take() {
            let _ = waiting.send(answer);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Option<mpsc::Sender<String>>> {
        self.waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
