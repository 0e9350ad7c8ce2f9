//! The blocking side: the engine is synchronous, the network is not.

use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

use crate::error::Error;

/// How soon an interrupt is noticed.
const LOOK: Duration = Duration::from_millis(5);

/// Runs `work` and waits for it, while another thread may make `cancelled` true: then the work is dropped within some
/// milliseconds, its connections are closed, so that the service hears of it, and the error is [`Error::Cancelled`].
///
/// All calls share one small runtime of this crate. It may be called from any thread, also one of another runtime.
pub fn run<T: Send>(
    cancelled: &(dyn Fn() -> bool + Sync),
    work: impl Future<Output = Result<T, Error>> + Send,
) -> Result<T, Error> {
    let runtime = runtime()?;
    let watched = async {
        tokio::select! {
            biased;
            () = wait_for(cancelled) => Err(Error::Cancelled),
            result = work => result,
        }
    };
    if Handle::try_current().is_err() {
        return runtime.block_on(watched);
    }
    // A thread that drives futures must not block; one that waits for it is allowed to.
    std::thread::scope(|scope| {
        scope.spawn(|| runtime.block_on(watched)).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

async fn wait_for(cancelled: &(dyn Fn() -> bool + Sync)) {
    while !cancelled() {
        tokio::time::sleep(LOOK).await;
    }
}

fn runtime() -> Result<&'static Runtime, Error> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    RUNTIME
        .get_or_init(|| {
            let builder = &mut Builder::new_multi_thread();
            builder.worker_threads(1).thread_name("azure").enable_all().build().map_err(|error| error.to_string())
        })
        .as_ref()
        .map_err(|error| Error::Config(format!("cannot start the threads for the network: {error}")))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Instant;

    use super::*;

    #[test]
    fn an_interrupt_ends_work_that_would_never_end() {
        let cancelled = AtomicBool::new(false);
        let start = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(20));
                cancelled.store(true, Ordering::SeqCst);
            });
            let result: Result<(), _> = run(&|| cancelled.load(Ordering::SeqCst), std::future::pending());
            assert!(result.unwrap_err().is_cancelled());
        });
        assert!(start.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn it_may_be_called_inside_another_runtime() {
        let other = Builder::new_current_thread().enable_all().build().unwrap();
        assert_eq!(other.block_on(async { run(&|| false, async { Ok(7) }) }).unwrap(), 7);
    }
}
