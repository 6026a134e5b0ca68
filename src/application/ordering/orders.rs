//! Orders with their purchases.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwapOption;

use crate::application::sale::Shop;
use crate::application::sale::list_page::ListPage;
use crate::application::sale::purchase::PurchaseOutcome;
use crate::application::shared::StoreError;
use crate::domain::ordering::{Order, OrderStatus};
use crate::domain::sale::Receipt;
use crate::domain::shared::{Claim, OrderId, SaleId, UserId};

use super::findings::OrderCounts;
use super::ports::{Holder, OrderArchive, OrderFilter};

/// The answer about an order whose purchase is not durable yet.
const NOT_DURABLE: StoreError = StoreError::Busy("the purchase is not known to be durable yet");

/// An order and its purchase.
#[derive(Debug, Clone)]
pub struct OrderView {
    pub order: Order,
    pub receipt: Receipt,
}

/// The use cases of the ordering context.
pub struct Orders {
    /// For requests: a flood of them takes nothing from the work that needs `work`.
    pub archive: Arc<dyn OrderArchive>,
    /// For background tasks.
    pub work: Arc<dyn OrderArchive>,
    pub shop: Arc<Shop>,
    pub holder: Holder,
    /// The last counts, if this instance counts.
    pub counts: ArcSwapOption<OrderCounts>,
}

impl Orders {
    /// The orders of the purchases in this shop.
    pub fn new(archive: Arc<dyn OrderArchive>, work: Arc<dyn OrderArchive>, shop: Arc<Shop>) -> Self {
        Orders { archive, work, shop, holder: Holder(rand::random()), counts: ArcSwapOption::empty() }
    }

    /// Returns true if this instance knows no sale that may still have open orders.
    pub fn is_idle(&self) -> bool {
        self.shop.sales.all_live().iter().all(|sale| sale.sale().payment_window.is_none())
    }

    /// Returns the order of a checkout code; `None` if nothing was bought with it, or its sale wants no payment.
    pub async fn by_code(&self, claim: impl Into<Claim>) -> Result<Option<OrderView>, StoreError> {
        match self.shop.receipt(claim).await? {
            None => Ok(None),
            Some(PurchaseOutcome::Durable { receipt, .. }) if receipt.pay_by.is_none() => Ok(None),
            Some(PurchaseOutcome::Durable { receipt, .. }) => self.with_order(receipt).await.map(Some),
            Some(PurchaseOutcome::Confirming(_)) => Err(NOT_DURABLE),
        }
    }

    /// Returns an order by its id.
    pub async fn by_id(&self, id: OrderId) -> Result<Option<OrderView>, StoreError> {
        match self.shop.receipt_of_order(id).await? {
            Some(receipt) if receipt.pay_by.is_some() => self.with_order(receipt).await.map(Some),
            _ => Ok(None),
        }
    }

    /// Returns true if the deadline of an order has passed.
    pub async fn is_overdue(&self, order: &Order) -> Result<bool, StoreError> {
        self.archive.is_overdue(order.id, self.shop.clock.now()).await
    }

    /// Returns the present state of the order of a durable purchase; `None` if its sale wants no payment, or the archive
    /// does not answer. A new order is not read.
    pub async fn status_of(&self, receipt: &Receipt, is_new: bool) -> Option<OrderStatus> {
        receipt.pay_by?;
        if is_new {
            return Some(OrderStatus::of_new(receipt.total));
        }
        let orders = self.archive.orders(&[receipt.order_id]).await.ok()?;
        orders.get(&receipt.order_id).map(|order| order.status)
    }

    /// Returns the present states of the orders among these purchases. Without an order, nothing is read.
    pub async fn statuses_of(&self, receipts: &[Receipt]) -> Result<HashMap<OrderId, OrderStatus>, StoreError> {
        let ids: Vec<OrderId> =
            receipts.iter().filter(|receipt| receipt.pay_by.is_some()).map(|receipt| receipt.order_id).collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let orders = self.archive.orders(&ids).await?;
        Ok(orders.into_iter().map(|(id, order)| (id, order.status)).collect())
    }

    /// Lists the orders of a user, newest first, after an order of the list.
    pub async fn orders_of(
        &self,
        user: &UserId,
        sale: Option<SaleId>,
        after: Option<OrderId>,
    ) -> Result<ListPage<OrderView, OrderId>, StoreError> {
        let page = self.shop.receipts_of(user, sale, true, after).await?;
        let ids: Vec<OrderId> = page.entries.iter().map(|receipt| receipt.order_id).collect();
        let mut orders = self.archive.orders(&ids).await?;
        let view = |receipt: Receipt| {
            let order = orders.remove(&receipt.order_id).ok_or_else(|| without_order(receipt.order_id))?;
            Ok(OrderView { order, receipt })
        };
        let entries = page.entries.into_iter().map(view).collect::<Result<_, StoreError>>()?;
        Ok(ListPage { entries, next: page.next })
    }

    /// Lists orders of any user: the newest sale first, and its newest order first.
    pub async fn list(&self, filter: OrderFilter) -> Result<Vec<Order>, StoreError> {
        self.archive.list(filter).await
    }

    pub(super) async fn with_order(&self, receipt: Receipt) -> Result<OrderView, StoreError> {
        let id = receipt.order_id;
        let order = self.archive.orders(&[id]).await?.remove(&id);
        Ok(OrderView { order: order.ok_or_else(|| without_order(id))?, receipt })
    }
}

/// The error of a purchase without its order: one statement writes both.
fn without_order(id: OrderId) -> StoreError {
    StoreError::Corrupt(format!("the purchase {id} has no order"))
}
