//! Runs a query for a request: in its turn, within its time, and not longer than somebody waits for it.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Shared;
use super::auth::Caller;
use super::reply::Refusal;
use super::service::{Cancel, QueryAnswer, QueryFailure, QueryRequest};

/// What came of a query that was run.
pub(crate) enum Ran<T> {
    Done(T),
    Failed(QueryFailure),
}

/// Runs the query and then `encode` on a thread of their own. When the caller drops this future (its client has gone)
/// or the time is over, the query is cancelled; its place is free when it has really ended.
pub(crate) async fn run<T: Send + 'static>(
    shared: &Shared,
    caller: Caller,
    mut request: QueryRequest,
    wait: Duration,
    encode: impl FnOnce(QueryAnswer) -> Result<T, QueryFailure> + Send + 'static,
) -> Result<Ran<T>, Refusal> {
    let permit = shared.slots(caller).enter().await.map_err(|_| Refusal::busy())?;
    let abandoned = CancelOnDrop(request.cancel.clone());
    let running = shared.running.begin();
    let service = shared.service.clone();
    let (sender, receiver) = oneshot::channel();
    let work = move || {
        let _held = (permit, running);
        request.text = request.text.trim_start_matches('\u{feff}').to_owned();
        let ran = service.run(&request).and_then(encode);
        // Nobody listens any more when the client has gone.
        let _ = sender.send(ran);
    };
    std::thread::Builder::new()
        .name("serve-query".to_owned())
        .spawn(work)
        .map_err(|error| Refusal::storage(format!("cannot start a thread: {error}")))?;
    let ended = tokio::time::timeout(wait, receiver).await;
    drop(abandoned);
    match ended {
        Ok(Ok(Ok(done))) => Ok(Ran::Done(done)),
        Ok(Ok(Err(failure))) => Ok(Ran::Failed(failure)),
        Ok(Err(_)) => Err(Refusal::crashed()),
        Err(_) => Err(Refusal::timed_out(wait.as_secs())),
    }
}

struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// When the queries that run now began: files that they may be reading stay until they have ended.
#[derive(Default)]
pub(crate) struct Running(std::sync::Arc<Mutex<Vec<Instant>>>);

/// One running query.
pub(crate) struct Begun {
    all: std::sync::Arc<Mutex<Vec<Instant>>>,
    at: Instant,
}

impl Running {
    fn begin(&self) -> Begun {
        let at = Instant::now();
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(at);
        Begun { all: self.0.clone(), at }
    }

    /// How long the oldest has been running.
    pub(crate) fn oldest(&self) -> Duration {
        let all = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        all.iter().min().map(Instant::elapsed).unwrap_or_default()
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(at) = all.iter().position(|at| *at == self.at) {
            all.swap_remove(at);
        }
    }
}
