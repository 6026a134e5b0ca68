//! The names of the background tasks.

use strum::{IntoStaticStr, VariantArray};

use crate::infrastructure::metrics::Label;

/// A background task, as logs and metrics name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum TaskName {
    /// Checks Redis, and restores it after a loss.
    Recovery,
    /// Creates, activates and closes sales.
    Schedule,
    /// Applies the watermarks that other instances announce.
    Watermarks,
    /// Reads the progress of the archive when no watermark arrives.
    CatchUp,
    /// Counts the checkout attempts that are not archived.
    Attempts,
    /// Archives the counts of refused checkouts.
    Refusals,
    /// Forgets idle carts.
    Carts,
    /// Starts and stops the tasks of each live sale.
    Sales,
    /// Follows the ledger of one sale.
    Follower,
    /// Collects the changes of one sale for the readers of its feed.
    StockFeed,
    /// Archives the ledger and the checkout attempts of one sale.
    Writer,
    /// Audits the sales whose ledger this instance writes.
    Auditor,
    /// Ends orders that are overdue.
    Expiry,
    /// Returns the stock of orders that ended without payment.
    StockReturn,
    /// Finds out what became of payments.
    Reconciliation,
    /// Counts orders.
    OrderCounts,
    /// Measures the connections to PostgreSQL.
    Pools,
    /// Sorts measurements into buckets.
    Metrics,
}

impl Label for TaskName {}

impl TaskName {
    /// Returns the name in logs and metrics.
    pub fn word(self) -> &'static str {
        self.into()
    }
}
