//! Orders that were not paid in time.

use std::time::Duration;

use crate::application::shared::StoreError;
use crate::domain::ordering::{OrderEvent, OrderStatus};

use super::orders::Orders;
use super::ports::{End, Work};

/// Orders that one statement ends.
const BATCH: usize = 2_000;

/// Time for which work is claimed: an instance that stops is replaced after it.
pub(super) const LEASE_TIME: Duration = Duration::from_secs(5);

impl Orders {
    /// Ends overdue orders, if no other instance does. Returns true if there may be more.
    pub async fn expire(&self) -> Result<bool, StoreError> {
        let Some(lease) = self.work.claim(Work::Expiry, self.holder, LEASE_TIME).await? else { return Ok(false) };
        let from = OrderStatus::Reserved;
        let Some((status, Some(reason))) = from.after(OrderEvent::Overdue) else { return Ok(false) };
        let ended = self.work.end_overdue(lease, from, &End { status, reason, note: None }, BATCH).await?;
        Ok(ended == BATCH as u64)
    }
}
