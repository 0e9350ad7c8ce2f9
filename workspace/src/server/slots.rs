//! How many queries run at once, and how many wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const RUNNING: usize = 5;
const WAITING: usize = 200;
const PATIENCE: Duration = Duration::from_secs(180);

/// The queries of one token, first come first served.
pub(crate) struct Slots {
    running: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// There was no place for a query.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Busy;

impl Slots {
    pub(crate) fn new() -> Slots {
        Slots { running: Arc::new(Semaphore::new(RUNNING)), waiting: AtomicUsize::new(0) }
    }

    /// Waits for its turn. The query runs until the permit is dropped.
    pub(crate) async fn enter(&self) -> Result<OwnedSemaphorePermit, Busy> {
        if let Ok(permit) = self.running.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let _place = Place::take(&self.waiting).ok_or(Busy)?;
        match tokio::time::timeout(PATIENCE, self.running.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Busy),
        }
    }
}

/// A place in the queue, given back however the wait ends.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Option<Place<'a>> {
        let one_more = |count: usize| (count < WAITING).then_some(count + 1);
        waiting.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).ok().map(|_| Place(waiting))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn five_run_two_hundred_wait_and_the_next_is_refused() {
        let slots = Arc::new(Slots::new());
        let mut running = Vec::new();
        for _ in 0..RUNNING {
            running.push(slots.enter().await.unwrap());
        }
        let waiting: Vec<_> = (0..WAITING)
            .map(|_| {
                let slots = slots.clone();
                tokio::spawn(async move { slots.enter().await.map(drop) })
            })
            .collect();
        while slots.waiting.load(Ordering::SeqCst) < WAITING {
            tokio::task::yield_now().await;
        }
        assert_eq!(slots.enter().await.unwrap_err(), Busy);
        drop(running);
        for task in waiting {
            assert_eq!(task.await.unwrap(), Ok(()));
        }
    }
}
