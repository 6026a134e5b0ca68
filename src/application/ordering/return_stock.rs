//! The stock of orders that ended without payment.

use std::collections::BTreeMap;

use crate::application::shared::StoreError;
use crate::domain::ordering::{Order, OrderStatus};
use crate::domain::sale::ReleaseReason;
use crate::domain::shared::{LedgerId, SaleId};
use crate::sabotage::{Sabotage, is_on};

use super::expire::LEASE_TIME;
use super::orders::Orders;
use super::ports::{OrderFilter, Work};

/// Orders whose stock is returned together.
const BATCH: usize = 1_000;

impl Orders {
    /// Has the sale context release the units of orders that ended without payment, if no other instance does. The ledger
    /// writer marks an order as returned with the release. Returns true if there was something to do.
    pub async fn return_stock(&self) -> Result<bool, StoreError> {
        let Some(lease) = self.work.claim(Work::Return, self.holder, LEASE_TIME).await? else { return Ok(false) };
        let mut unreturned = self.work.unreturned(lease, BATCH).await?;
        if is_on(Sabotage::ReturnOpenOrders) {
            let open = OrderFilter { status: OrderStatus::Reserved, sale: None, limit: BATCH };
            unreturned.extend(self.work.list(open).await?);
        }
        let mut by_sale: BTreeMap<SaleId, Vec<(LedgerId, ReleaseReason)>> = BTreeMap::new();
        for order in &unreturned {
            by_sale.entry(order.id.sale).or_default().push((order.id.entry, reason(order)));
        }
        // A failure with one sale does not keep the stock of others.
        let mut result = Ok(!unreturned.is_empty());
        for (sale, ended) in by_sale {
            if let Err(error) = self.shop.release(sale, &ended).await {
                result = Err(error);
            }
        }
        result
    }
}

fn reason(order: &Order) -> ReleaseReason {
    match order.status {
        OrderStatus::Expired => ReleaseReason::Expired,
        _ => ReleaseReason::Cancelled,
    }
}
