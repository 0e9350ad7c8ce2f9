//! The blocking side of the network: the engine's threads wait, and an interrupt ends the wait.

use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;

use huntbook_azure::blob::BlobError;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::{CancelToken, Error, Result};

/// How soon an interrupt is noticed.
const LOOK: Duration = Duration::from_millis(5);

/// Where downloads run on while workers decode.
pub(super) fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<std::result::Result<Runtime, String>> = OnceLock::new();
    let start = || {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(2).thread_name("blob").enable_all().build().map_err(|error| error.to_string())
    };
    RUNTIME
        .get_or_init(start)
        .as_ref()
        .map_err(|error| Error::new("BlobError", format!("cannot start the threads for the network: {error}")))
}

/// Runs `work` to its end, or until the cell is interrupted: then it is dropped, and its connections are closed.
pub(super) fn wait<T: Send>(cancel: &CancelToken, work: impl Future<Output = Result<T>> + Send) -> Result<T> {
    let runtime = runtime()?;
    let watched = async {
        tokio::select! {
            biased;
            () = interrupted(cancel) => Err(Error::cancelled()),
            result = work => result,
        }
    };
    if Handle::try_current().is_err() {
        return runtime.block_on(watched);
    }
    // A thread that drives futures must not block; one that waits for it may.
    std::thread::scope(|scope| {
        scope.spawn(|| runtime.block_on(watched)).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

async fn interrupted(cancel: &CancelToken) {
    while !cancel.is_cancelled() {
        tokio::time::sleep(LOOK).await;
    }
}

impl From<BlobError> for Error {
    fn from(error: BlobError) -> Self {
        Error::new("BlobError", error.to_string())
    }
}
