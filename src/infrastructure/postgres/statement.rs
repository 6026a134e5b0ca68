//! The statements that PostgreSQL runs, by name, with their durations and deadlines.

use std::time::{Duration, Instant};

use strum::{IntoStaticStr, VariantArray};
use tokio::time::timeout;

use crate::application::shared::StoreError;

use super::errors::{store_error, timed_out};
use super::metrics::STATEMENT_DURATION;
use super::pool::LEASE_MAX;

/// Deadline of a statement that reads all rows of a sale.
const WHOLE_SALE: Duration = Duration::from_secs(121);

/// A statement, named after the method of the archive that it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Statement {
    Requirements,
    Migrations,
    Ping,
    TryLock,
    Now,
    BeginEpoch,
    EndRestoration,
    Begin,
    CreateSale,
    CreateItems,
    Commit,
    Sales,
    Sale,
    Catalog,
    EndSale,
    IsSettled,
    CloseSale,
    PurchaseByCode,
    PurchaseByRequest,
    Purchases,
    ReceiptsOf,
    ItemsIn,
    EntriesIn,
    SoldByMinute,
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
    Orders,
    OrderIsOverdue,
    OrdersOverdueIn,
    HasUnreturnedOrders,
    ListOrders,
    EndOrder,
    EndOverdueOrders,
    UnreturnedOrders,
    CountOrders,
    LateOrders,
    CheckOrders,
    ClaimLease,
    BeginPayment,
    Payment,
    NoteIntent,
    HastenPayment,
    ClosePayment,
    SettlePayment,
    PaymentsDueIn,
    TakeDuePayments,
    LockRoom,
    OpenRoom,
    Join,
    Room,
    Admit,
    ClaimPass,
    ExtendPass,
    SteerRoom,
}

impl Statement {
    /// Waits for the answer and classifies an error.
    pub(super) async fn run<T>(self, answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
        self.time(answer).await.map_err(store_error)
    }

    /// Waits for the answer until the deadline, and measures the time, which includes the wait for a connection.
    pub(super) async fn time<T>(self, answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
        let started = Instant::now();
        let answer = timeout(self.deadline(), answer).await.unwrap_or_else(|_| Err(timed_out()));
        STATEMENT_DURATION.of(self).record(started.elapsed().as_secs_f64());
        answer
    }

    /// Returns the longest time for the statement. It exceeds the timeouts that the server has for it, so it passes only
    /// if the connection hangs.
    fn deadline(self) -> Duration {
        match self {
            Statement::Check => WHOLE_SALE,
            _ => LEASE_MAX,
        }
    }
}
