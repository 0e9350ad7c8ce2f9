//! What cells see as `tokio`: all of it, and a runtime for `.await` that runs on the cell's own thread.
//!
//! evcxr runs a cell that awaits on `tokio::runtime::Runtime::new()`, which it keeps among the variables. tokio's own has a
//! thread per processor, and a process with threads cannot be copied before a cell: the first `.await` would cost the
//! session its checkpoints.

pub use tokio::*;

/// As `tokio::runtime`, with a [`Runtime`](runtime::Runtime) of one thread.
pub mod runtime {
    pub use tokio::runtime::*;

    /// Runs tasks while a cell awaits, on the cell's thread.
    pub struct Runtime(tokio::runtime::Runtime);

    impl Runtime {
        /// A runtime with timers, sockets and files. A spawned task is to be awaited in its own cell: each cell has a copy of
        /// tokio's code, and only the one that awaits knows of the runtime.
        ///
        /// Errors: the system has no descriptors left.
        pub fn new() -> std::io::Result<Runtime> {
            Builder::new_current_thread().enable_all().build().map(Runtime)
        }
    }

    impl std::ops::Deref for Runtime {
        type Target = tokio::runtime::Runtime;

        fn deref(&self) -> &tokio::runtime::Runtime {
            &self.0
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn awaiting_starts_no_thread() {
        let runtime = crate::runtime::Runtime::new().unwrap();
        let waited = runtime.block_on(async {
            let task = crate::spawn(async { std::thread::current().id() });
            crate::time::sleep(std::time::Duration::from_millis(1)).await;
            task.await.unwrap()
        });
        assert_eq!(waited, std::thread::current().id());
    }
}
