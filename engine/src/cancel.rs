use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use huntbook_factorization::FitObserver;

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

    /// Runs `work` on a thread of its own and returns at once when cancelled. polars has no way to stop a query,
    /// so the thread finishes unheard: work that writes must not go through here.
    pub(crate) fn run<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let (sender, receiver) = channel();
        std::thread::Builder::new()
            .name("engine-query".into())
            .spawn(move || drop(sender.send(work())))
            .map_err(|error| Error::new("EngineError", format!("cannot start a thread: {error}")))?;
        loop {
            if self.is_cancelled() {
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
        let result = token.run(|| {
            std::thread::sleep(Duration::from_secs(60));
            Ok(())
        });
        assert_eq!(result.unwrap_err().kind, "Interrupted");
    }

    #[test]
    fn a_panic_inside_a_query_is_an_error() {
        let result: Result<()> = CancelToken::default().run(|| panic!("boom"));
        assert_eq!(result.unwrap_err().kind, "EngineError");
    }
}
