//! Work that continues after its client is gone.

use tracing::Instrument;

use crate::infrastructure::http::platform::{Problem, ProblemCode};

/// Does the work on a task of its own, so that a client that disconnects cannot interrupt a transaction.
pub async fn detached<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T, Problem> {
    tokio::spawn(work.in_current_span()).await.map_err(|error| {
        tracing::error!(%error, "the task of an administrator's request ended early");
        Problem::new(ProblemCode::Internal, "GET /sales shows if the change was made. If not, send the request again.")
    })
}
