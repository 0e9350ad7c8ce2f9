//! Completion and inspection. Magics answer for themselves, from the engine's schemas; Rust asks rust-analyzer, but no
//! longer than a front end listens, and never while a cell runs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use huntbook_magics::{Completion, Completions};

use super::{Job, Rust, Session, is_frame};
use crate::cells::RustCells;
use crate::redaction;
use crate::rust_text::{only_rust, stands_alone, word_at};

/// JupyterLab throws away completions that take a second.
const COMPLETION_PATIENCE: Duration = Duration::from_millis(800);
/// Inspection is asked for by a key: it may wait for Rust to be warm.
const INSPECTION_PATIENCE: Duration = Duration::from_secs(10);
/// rust-analyzer is made ready for completion when no cell has run for so long.
const QUIET: Duration = Duration::from_millis(500);
const QUIET_POLL: Duration = Duration::from_millis(50);

/// Texts by MIME type.
type Bundle = Vec<(&'static str, String)>;

impl Session {
    /// What may stand at `cursor`, a byte of the cell.
    pub(crate) fn complete(&self, code: &str, cursor: usize) -> Option<Completions> {
        let mut found = self.completions(code, cursor)?;
        for item in &mut found.items {
            item.text = redaction::text(std::mem::take(&mut item.text));
            item.signature = item.signature.take().map(redaction::text);
        }
        Some(found)
    }

    fn completions(&self, code: &str, cursor: usize) -> Option<Completions> {
        if let Some(found) = huntbook_magics::complete(code, cursor, &self.engine) {
            return Some(found);
        }
        let rust = only_rust(code);
        let names = self.names_like(&rust, cursor);
        let frames = self.frames_to_inject(&rust);
        let found = self.ask_rust(COMPLETION_PATIENCE, move |cells| cells.complete(&rust, cursor, &frames));
        found.or(names)
    }

    /// What is known about the word at `cursor`, a byte of the cell.
    pub(crate) fn inspect(&self, code: &str, cursor: usize, detailed: bool) -> Option<Bundle> {
        let found = self.known(code, cursor, detailed)?;
        Some(found.into_iter().map(|(mime, text)| (mime, redaction::text(text))).collect())
    }

    fn known(&self, code: &str, cursor: usize, detailed: bool) -> Option<Bundle> {
        let rust = only_rust(code);
        if let Some(mut text) = huntbook_magics::inspect(code, cursor, &self.engine) {
            let word = word_at(code, cursor).filter(|_| detailed);
            if let Some(rows) = word.and_then(|word| self.engine.describe(&code[word], true)) {
                text = format!("{text}\n\n{rows}");
            }
            return Some(markdown(text));
        }
        let word = word_at(&rust, cursor).or_else(|| word_at(&rust, rust[..cursor].strip_suffix('(')?.len()))?;
        let own = stands_alone(&rust, word.start).then(|| self.describe(&rust[word.clone()], detailed)).flatten();
        if own.is_some() && !detailed {
            return own.map(markdown);
        }
        let frames = self.frames_to_inject(&rust);
        // rust-analyzer knows a method only as a call.
        let end = word.end + usize::from(rust[word.end..].starts_with('('));
        let found = self.ask_rust(INSPECTION_PATIENCE, move |cells| cells.hover(&rust, end, &frames));
        match (own, found) {
            (Some(own), Some((plain, _))) => Some(markdown(format!("{own}\n\n```text\n{plain}\n```"))),
            (Some(own), None) => Some(markdown(own)),
            (None, Some((plain, html))) => Some(vec![("text/plain", plain), ("text/html", html)]),
            (None, None) => None,
        }
    }

    /// The first completion costs rust-analyzer a second or more. It is had before anybody waits for it, in a moment
    /// when no cell runs.
    pub(crate) fn warm_completion(self: &Arc<Session>) {
        let session = self.clone();
        let work = move || {
            // Jobs run in order: this one returns when the warm-up has ended. Where Rust cannot be started, the next
            // cell says why; trying again here would only make it wait.
            if !session.with_rust(|rust| Ok(rust.cells.is_some())).is_ok_and(|is_warm| is_warm) {
                return;
            }
            let mut quiet_since = Instant::now();
            while quiet_since.elapsed() < QUIET {
                std::thread::sleep(QUIET_POLL);
                if session.running.load(Ordering::SeqCst) != 0 {
                    quiet_since = Instant::now();
                }
            }
            let began = Instant::now();
            session.ask_rust(Duration::from_secs(60), |cells| cells.complete("\"\".le", 5, &[]));
            tracing::debug!("completion is warm after {:?}", began.elapsed());
        };
        if let Err(error) = std::thread::Builder::new().name("warm-completion".into()).spawn(work) {
            tracing::warn!("the first completion will be slow: {error}");
        }
    }

    /// Variables and frames that begin as the word at the cursor does: what can be said without rust-analyzer.
    fn names_like(&self, code: &str, cursor: usize) -> Option<Completions> {
        let word = word_at(code, cursor).filter(|word| stands_alone(code, word.start))?;
        let typed = &code[word.start..cursor];
        let state = self.state();
        let variables = state.variables.iter().map(|(name, type_name)| (name.clone(), type_name.clone()));
        let frames = self.engine.names().into_iter().map(|(name, _, _)| (name, "Frame".to_owned()));
        let mut named: Vec<(String, String)> =
            variables.chain(frames).filter(|(name, _)| name.starts_with(typed)).collect();
        named.sort();
        named.dedup_by(|left, right| left.0 == right.0);
        let item = |(name, type_name): (String, String)| Completion {
            text: name,
            kind: "instance",
            signature: Some(type_name),
        };
        let items: Vec<Completion> = named.into_iter().map(item).collect();
        (!items.is_empty()).then_some(Completions { replace: word, items })
    }

    /// A frame or a variable of the session, as Markdown.
    fn describe(&self, name: &str, detailed: bool) -> Option<String> {
        let type_name = self.state().variables.get(name).cloned();
        if type_name.as_deref().is_none_or(is_frame)
            && let Some(frame) = self.engine.describe(name, detailed)
        {
            return Some(frame);
        }
        type_name.map(|type_name| format!("```rust\nlet {name}: {type_name}\n```"))
    }

    /// Asks evcxr, unless a cell runs or waits; `None` when it knows nothing or does not answer in time.
    fn ask_rust<T: Send + 'static>(
        &self,
        patience: Duration,
        question: impl FnOnce(&mut RustCells) -> Option<T> + Send + 'static,
    ) -> Option<T> {
        if self.running.load(Ordering::SeqCst) != 0 {
            return None;
        }
        let (sender, receiver) = mpsc::channel();
        let given_up = Arc::new(AtomicBool::new(false));
        let heard = given_up.clone();
        let job: Job = Box::new(move |rust: &mut Rust| {
            // A cell may be waiting behind a question that nobody wants answered any more.
            if heard.load(Ordering::SeqCst) {
                return;
            }
            let Ok(cells) = rust.ready() else { return };
            // Half-written code is where rust-analyzer's bugs are; one must not end the thread of cells.
            let answer = catch_unwind(AssertUnwindSafe(|| question(cells))).ok().flatten();
            let _ = sender.send(answer);
        });
        self.jobs.send(job).ok()?;
        let answer = receiver.recv_timeout(patience).ok().flatten();
        given_up.store(true, Ordering::SeqCst);
        answer
    }
}

fn markdown(text: String) -> Bundle {
    vec![("text/plain", text.clone()), ("text/markdown", text)]
}
