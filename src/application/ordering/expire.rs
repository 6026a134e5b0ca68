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
        let (end, now) = (End { status, reason, note: None }, self.shop.clock.now());
        let ended = self.work.end_overdue(lease, from, &end, now, BATCH).await?;
        Ok(ended == BATCH as u64)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use crate::application::ordering::cancel::tests::an_order;

    use super::*;

    #[tokio::test]
    async fn an_order_expires_once_the_time_of_redis_is_past_its_deadline() {
        let (orders, _, read) = an_order();
        let deadline = read.order.deadline.unwrap();
        for (shift, expected) in [(-1, OrderStatus::Reserved), (1, OrderStatus::Expired)] {
            orders.shop.clock.set(deadline + TimeDelta::minutes(shift));
            orders.expire().await.unwrap();
            let found = orders.archive.orders(&[read.order.id]).await.unwrap();
            assert_eq!(found[&read.order.id].status, expected);
        }
    }
}
