//! The stock of orders that ended without payment.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::application::shared::StoreError;
use crate::domain::ordering::{Order, OrderStatus};
use crate::domain::sale::ReleaseReason;
use crate::domain::shared::{LedgerId, SaleId};
use crate::sabotage::{Sabotage, is_on};

use super::expire::{LEASE_TIME, LOOK_EVERY};
use super::orders::Orders;
use super::ports::{OrderFilter, Work};

/// Orders that are read together.
const BATCH: usize = 2_000;

/// Orders whose stock is returned together, and the interval between them. Purchases wait behind their releases in Redis
/// and in the ledger writer: with bursts and pauses most do not, and 10,000 orders take four seconds.
const GROUP: usize = 250;
const GROUP_EVERY: Duration = Duration::from_millis(90);

/// Pause after a batch: the ledger writer has to archive the releases before the next orders are read.
const PAUSE: Duration = Duration::from_millis(100);

impl Orders {
    /// Has the sale context release the units of orders that ended without payment, if no other instance does. The ledger
    /// writer marks an order as returned with the release. Returns the pause until there may be more.
    pub async fn return_stock(&self) -> Result<Duration, StoreError> {
        if !self.work.has_unreturned().await? && !is_on(Sabotage::ReturnOpenOrders) {
            return Ok(LOOK_EVERY);
        }
        let Some(lease) = self.work.claim(Work::Return, self.holder, LEASE_TIME).await? else { return Ok(LOOK_EVERY) };
        let mut unreturned = self.work.unreturned(lease, BATCH).await?;
        if is_on(Sabotage::ReturnOpenOrders) {
            let open = OrderFilter { status: OrderStatus::Reserved, sale: None, limit: BATCH };
            unreturned.extend(self.work.list(open).await?);
        }
        let mut by_sale: BTreeMap<SaleId, Vec<(LedgerId, ReleaseReason)>> = BTreeMap::new();
        for order in &unreturned {
            by_sale.entry(order.id.sale).or_default().push((order.id.entry, reason(order)));
        }
        let mut turns = interval(GROUP_EVERY);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // A failure with one sale does not keep the stock of others.
        let mut result = Ok(PAUSE);
        for (sale, ended) in by_sale {
            if let Err(error) = self.release(sale, &ended, &mut turns).await {
                result = Err(error);
            }
        }
        result
    }

    async fn release(
        &self,
        sale: SaleId,
        ended: &[(LedgerId, ReleaseReason)],
        turns: &mut Interval,
    ) -> Result<(), StoreError> {
        for group in ended.chunks(GROUP) {
            turns.tick().await;
            self.shop.release(sale, group).await?;
        }
        Ok(())
    }
}

fn reason(order: &Order) -> ReleaseReason {
    match order.status {
        OrderStatus::Expired => ReleaseReason::Expired,
        _ => ReleaseReason::Cancelled,
    }
}
