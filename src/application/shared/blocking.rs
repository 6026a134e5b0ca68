//! Work that keeps a thread busy.

use std::panic::resume_unwind;

use tokio::task::{JoinError, JoinHandle, spawn_blocking};

/// Does work that takes milliseconds without waiting for anything, on a thread of its own: on a thread of the runtime,
/// requests would wait for it. A panic of the work is a panic of the caller.
pub async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    result_of(spawn_blocking(work)).await
}

/// Waits for the result of work on a thread of its own.
pub async fn result_of<T>(work: JoinHandle<T>) -> T {
    match work.await.map_err(JoinError::try_into_panic) {
        Ok(result) => result,
        Err(Ok(panic)) => resume_unwind(panic),
        // The runtime shuts down, and the caller with it.
        Err(Err(_cancelled)) => std::future::pending().await,
    }
}
