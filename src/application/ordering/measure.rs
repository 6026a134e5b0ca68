//! Counting and verifying orders.

use std::sync::Arc;
use std::time::Duration;

use crate::application::shared::StoreError;
use crate::domain::shared::SaleId;

use super::findings::{OrderCounts, OrderFindings};
use super::orders::Orders;
use super::ports::Work;

/// Time after which an order that has not ended, or whose stock is not returned, counts as late. A failover takes less.
const LATE: Duration = Duration::from_secs(10);

/// Time for which one instance counts: several of its rounds.
const LEASE_TIME: Duration = Duration::from_secs(15);

impl Orders {
    /// Counts all orders, if no other instance does, and keeps the result for the metrics. Without a result there is none.
    pub async fn measure(&self) -> Result<(), StoreError> {
        let counted = self.count().await;
        self.counts.store(counted.as_ref().ok().cloned().flatten().map(Arc::new));
        counted.map(|_| ())
    }

    async fn count(&self) -> Result<Option<OrderCounts>, StoreError> {
        match self.work.claim(Work::Counting, self.holder, LEASE_TIME).await? {
            Some(_) => self.work.count(LATE).await.map(Some),
            None => Ok(None),
        }
    }

    /// Checks the orders of one sale.
    pub async fn verify(&self, sale: SaleId) -> Result<OrderFindings, StoreError> {
        self.work.check_orders(sale, LATE).await
    }
}
