use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use huntbook_factorization::FitObserver;
use huntbook_kql::CancelToken as QueryToken;

use crate::{Error, Result};

/// How soon an interrupt is noticed while polars works.
const POLL: Duration = Duration::from_millis(5);

/// Says that the running cell was interrupted.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    pub fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub fn reset(&self) {
        self.0.store(false, Ordering::SeqCst);
    }

    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Runs `work` on a thread of its own and returns at once when cancelled, which also cancels the token that
    /// `work` is given. KQL stops with it, within a batch of rows or so. Other polars plans cannot be stopped:
    /// their thread finishes unheard. Work that writes must not go through here.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(QueryToken) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (sender, receiver) = channel();
        // A token of its own: the next cell resets ours, and must not wake this query again.
        let token = QueryToken::new();
        let given = token.clone();
        std::thread::Builder::new()
            .name("engine-query".into())
            .spawn(move || drop(sender.send(work(given))))
            .map_err(|error| Error::new("EngineError", format!("cannot start a thread: {error}")))?;
        loop {
            if self.is_cancelled() {
                token.cancel();
                return Err(Error::cancelled());
            }
            match receiver.recv_timeout(POLL) {
                Ok(result) => return result,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::new(
                        "EngineError",
                        "the query crashed inside the engine; its data is unharmed. Please report the query",
                    ));
                }
            }
        }
    }
}

impl FitObserver for CancelToken {
    fn iteration(&self, _done: usize, _of: usize, _loss: f64) -> ControlFlow<()> {
        if self.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancelled_query_returns_at_once() {
        let token = CancelToken::default();
        let other = token.clone();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            other.cancel();
        });
        let (heard, hears) = channel();
        let result = token.run(move |query| {
            while !query.is_cancelled() {
                std::thread::sleep(Duration::from_millis(1));
            }
            heard.send(()).unwrap();
            Ok(())
        });
        assert_eq!(result.unwrap_err().kind, "Interrupted");
        hears.recv_timeout(Duration::from_secs(60)).expect("the work hears of it too");
    }

    #[test]
    fn a_panic_inside_a_query_is_an_error() {
        let result: Result<()> = CancelToken::default().run(|_| panic!("boom"));
        assert_eq!(result.unwrap_err().kind, "EngineError");
    }
}
