use std::ops::ControlFlow;

/// Told about every finished iteration of a fit; can stop it.
///
/// `()` observes nothing. Any `Fn(usize, usize, f64) -> ControlFlow<()> + Sync` is an observer too.
///
/// ```
/// use huntbook_factorization::FitObserver;
/// use std::ops::ControlFlow;
///
/// let progress = |done: usize, of: usize, loss: f64| {
///     eprintln!("{done}/{of}: loss {loss:.4}");
///     ControlFlow::Continue(())
/// };
/// let observer: &dyn FitObserver = &progress;
/// assert!(observer.iteration(1, 25, 0.5).is_continue());
/// ```
pub trait FitObserver: Sync {
    /// `done` of `of` iterations are finished and the objective is now `loss`.
    /// `Break` ends the fit with [`Error::Cancelled`](crate::Error::Cancelled).
    fn iteration(&self, done: usize, of: usize, loss: f64) -> ControlFlow<()>;
}

impl FitObserver for () {
    fn iteration(&self, _done: usize, _of: usize, _loss: f64) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

impl<F> FitObserver for F
where
    F: Fn(usize, usize, f64) -> ControlFlow<()> + Sync,
{
    fn iteration(&self, done: usize, of: usize, loss: f64) -> ControlFlow<()> {
        self(done, of, loss)
    }
}
