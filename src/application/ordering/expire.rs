//! Orders that were not paid in time.

use std::time::Duration;

use crate::application::shared::StoreError;
use crate::domain::ordering::{OrderEvent, OrderStatus};

use super::orders::Orders;
use super::ports::{End, Work};

/// Orders that one statement ends, and the pause after them: others write at the same time.
const BATCH: usize = 1_000;
const PAUSE: Duration = Duration::from_millis(300);

/// Time for which work is claimed: an instance that stops is replaced after it.
pub(super) const LEASE_TIME: Duration = Duration::from_secs(5);

/// Longest pause between looks for work. Less than the shortest payment window, so that each deadline is known before it
/// passes.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(250);

impl Orders {
    /// Ends overdue orders, if no other instance does. Returns the pause until there may be more.
    pub async fn expire(&self) -> Result<Duration, StoreError> {
        let from = OrderStatus::Reserved;
        let next = self.work.overdue_in(from).await?.unwrap_or(LOOK_EVERY);
        if !next.is_zero() {
            return Ok(next.min(LOOK_EVERY));
        }
        let Some(lease) = self.work.claim(Work::Expiry, self.holder, LEASE_TIME).await? else { return Ok(LOOK_EVERY) };
        let Some((status, Some(reason))) = from.after(OrderEvent::Overdue) else { return Ok(LOOK_EVERY) };
        let (end, now) = (End { status, reason, note: None }, self.shop.clock.now());
        self.work.end_overdue(lease, from, &end, now, BATCH).await?;
        Ok(PAUSE)
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
