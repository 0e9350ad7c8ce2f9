use crate::{Error, FitObserver};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the iterations of several factorizations as those of one fit.
pub(crate) struct Progress<'a> {
    observer: &'a dyn FitObserver,
    done: AtomicUsize,
    of: usize,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(observer: &'a dyn FitObserver, of: usize) -> Self {
        Progress { observer, done: AtomicUsize::new(0), of }
    }

    /// A factorization knows only its own iterations.
    pub(crate) fn rename(&self, error: Error) -> Error {
        match error {
            Error::Cancelled { .. } => Error::Cancelled { done: self.done.load(Ordering::SeqCst), of: self.of },
            other => other,
        }
    }
}

impl FitObserver for Progress<'_> {
    fn iteration(&self, _done: usize, _of: usize, loss: f64) -> ControlFlow<()> {
        let done = self.done.fetch_add(1, Ordering::SeqCst) + 1;
        self.observer.iteration(done, self.of, loss)
    }
}
