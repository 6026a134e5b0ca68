//! The statements that PostgreSQL runs, by name, and their durations.

use std::time::Instant;

use strum::{IntoStaticStr, VariantArray};

use crate::application::shared::StoreError;

use super::connection::store_error;
use super::metrics::STATEMENT_DURATION;

/// A statement, named after the method of the archive that it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Statement {
    Ping,
    TryLock,
    Epoch,
    RaiseEpoch,
    CreateSale,
    CreateItems,
    Sales,
    Sale,
    Catalog,
    EndSale,
    CloseSale,
    PurchaseByCode,
    PurchaseByRequest,
    ReceiptsOf,
    ItemsIn,
    EntriesIn,
    Held,
    Check,
    Cursors,
    Persist,
    PersistReleases,
    Reject,
    Rejections,
    Unowned,
    MarkReleased,
    NoteRelease,
    PersistAttempts,
    AddRefusals,
}

impl Statement {
    /// Waits for the answer and classifies an error.
    pub(super) async fn run<T>(self, answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
        self.time(answer).await.map_err(store_error)
    }

    /// Waits for the answer and measures the time, which includes the wait for a connection.
    pub(super) async fn time<T>(self, answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
        let started = Instant::now();
        let answer = answer.await;
        STATEMENT_DURATION.of(self).record(started.elapsed().as_secs_f64());
        answer
    }
}
