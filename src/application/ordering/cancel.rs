//! Cancelling an order.

use crate::application::shared::StoreError;
use crate::domain::ordering::{Note, Order, OrderEvent, OrderStatus};
use crate::domain::shared::{CheckoutCode, OrderId, UserId};

use super::contention::{ATTEMPTS, CONTENDED};
use super::orders::{OrderView, Orders};
use super::ports::End;

/// Somebody who cancels an order, and the name by which they know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Canceller {
    /// The buyer, who has the code and must own the order.
    User {
        code: CheckoutCode,
        user: UserId,
    },
    Administrator {
        order: OrderId,
    },
}

impl Canceller {
    /// Returns the event of their cancellation.
    pub fn event(&self) -> OrderEvent {
        match self {
            Canceller::User { .. } => OrderEvent::CancelledByUser,
            Canceller::Administrator { .. } => OrderEvent::CancelledByAdmin,
        }
    }
}

/// An order that was not cancelled.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// There is no such order, or not for this user.
    #[error("there is no such order")]
    NotFound,
    /// It has ended otherwise.
    #[error("the order has ended: {}", .0.order.status)]
    Final(Box<OrderView>),
    /// Its payment must be cancelled first.
    #[error("a payment of the order is under way")]
    PaymentPending(Box<OrderView>),
    #[error(transparent)]
    Failed(#[from] StoreError),
    /// Its payment is being cancelled, and the outcome could not be read or committed.
    #[error("it is not known whether the order was cancelled")]
    Unknown(#[source] StoreError),
}

impl CancelError {
    /// The same after the cancellation of its payment has begun.
    pub fn after_the_beginning(self) -> Self {
        match self {
            CancelError::Failed(error) => CancelError::Unknown(error),
            other => other,
        }
    }
}

impl Orders {
    /// Cancels an order. Any number of calls cancel once.
    pub async fn cancel(&self, canceller: &Canceller, note: Option<&Note>) -> Result<OrderView, CancelError> {
        let view = match canceller {
            Canceller::User { code, .. } => self.by_code(*code).await?,
            Canceller::Administrator { order } => self.by_id(*order).await?,
        };
        self.cancel_read(view.ok_or(CancelError::NotFound)?, canceller, note).await
    }

    /// Cancels an order that may have changed since it was read.
    async fn cancel_read(
        &self,
        mut view: OrderView,
        canceller: &Canceller,
        note: Option<&Note>,
    ) -> Result<OrderView, CancelError> {
        if matches!(canceller, Canceller::User { user, .. } if *user != view.receipt.user_id) {
            return Err(CancelError::NotFound);
        }
        for _ in 0..ATTEMPTS {
            match view.order.status {
                OrderStatus::Cancelled => return Ok(view),
                OrderStatus::Paid | OrderStatus::Expired => return Err(CancelError::Final(Box::new(view))),
                OrderStatus::PaymentPending => return Err(CancelError::PaymentPending(Box::new(view))),
                OrderStatus::Reserved => {}
            }
            if let Some(order) = self.end(&view.order, canceller.event(), note.cloned()).await? {
                return Ok(OrderView { order, ..view });
            }
            view = self.with_order(view.receipt).await?;
        }
        Err(CONTENDED.into())
    }

    async fn end(&self, order: &Order, event: OrderEvent, note: Option<Note>) -> Result<Option<Order>, StoreError> {
        let Some((status, Some(reason))) = order.status.after(event) else { return Ok(None) };
        self.archive.end(order, &End { status, reason, note }, None).await
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use crate::application::ordering::memory::MemoryOrders;
    use crate::application::ordering::ports::OrderArchive;
    use crate::application::sale::live_sale::sample;
    use crate::application::sale::memory::{MemoryArchive, MemoryStore};
    use crate::application::sale::ports::RecordedPurchase;
    use crate::application::sale::{Settings, Shop};
    use crate::domain::ordering::{OrderReason, Version};
    use crate::domain::sale::{Purchase, SoldUnit};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Returns the orders, their archive, and an order of Ann as it was read.
    pub(in crate::application::ordering) fn an_order() -> (Orders, Arc<MemoryOrders>, OrderView) {
        let purchase = Purchase {
            code: format!("20261120T09-{:032x}", 7).parse().unwrap(),
            user: "ann".parse().unwrap(),
            request: None,
            units: vec![SoldUnit { ordinal: 1.try_into().unwrap(), unit: 1, slot: 1 }],
            missed: Vec::new(),
        };
        let recorded = RecordedPurchase { id: "1795168800123-0".parse().unwrap(), purchase, replayed: false };
        let receipt = sample(1).receipt(&recorded).unwrap();
        let order = Order {
            id: receipt.order_id,
            status: OrderStatus::Reserved,
            version: Version(1),
            pay_by: receipt.purchased_at,
            deadline: Some(receipt.purchased_at),
            reason: None,
            note: None,
            declines: 0,
            returned_at: None,
        };
        let archive = Arc::new(MemoryOrders::default());
        archive.put(order.clone());
        let settings = Settings {
            sale_every: SECOND,
            sale_lead: SECOND,
            sale_items: 1,
            user_limit: 1,
            payment_window: None,
            ack_timeout: SECOND,
            cart_idle: SECOND,
            lag_limit: SECOND,
        };
        let sales = Arc::new(MemoryArchive::default());
        let store = Arc::new(MemoryStore::new(receipt.purchased_at));
        let shop = Arc::new(Shop::new(store, sales.clone(), sales, settings));
        (Orders::new(archive.clone(), archive.clone(), shop), archive, OrderView { order, receipt })
    }

    fn user(name: &str, view: &OrderView) -> Canceller {
        Canceller::User { code: view.receipt.code, user: name.parse().unwrap() }
    }

    fn administrator(view: &OrderView) -> Canceller {
        Canceller::Administrator { order: view.order.id }
    }

    #[tokio::test]
    async fn of_two_cancellations_at_once_the_first_counts_and_both_have_its_answer() {
        let ((orders, _, read), note) = (an_order(), "by telephone".parse::<Note>().unwrap());
        let first = orders.cancel_read(read.clone(), &administrator(&read), Some(&note)).await.unwrap();
        let second = orders.cancel_read(read.clone(), &user("ann", &read), None).await.unwrap();
        assert_eq!((first.order.version, first.order.reason), (Version(2), Some(OrderReason::Admin)));
        assert_eq!((&first.order.note, second.order), (&Some(note), first.order.clone()));
    }

    #[tokio::test]
    async fn a_cancellation_that_comes_after_the_expiry_is_refused() {
        let (orders, archive, read) = an_order();
        let end = End { status: OrderStatus::Expired, reason: OrderReason::ReservationTtl, note: None };
        let expired = archive.end(&read.order, &end, None).await.unwrap();
        let refused = orders.cancel_read(read.clone(), &user("ann", &read), None).await;
        assert!(matches!(refused, Err(CancelError::Final(view)) if Some(&view.order) == expired.as_ref()));
    }

    #[tokio::test]
    async fn an_order_that_changed_and_is_still_open_is_cancelled_as_it_is_now() {
        let (orders, archive, read) = an_order();
        archive.put(Order { version: Version(3), declines: 1, ..read.order.clone() });
        let cancelled = orders.cancel_read(read.clone(), &user("ann", &read), None).await.unwrap().order;
        assert_eq!((cancelled.status, cancelled.version, cancelled.declines), (OrderStatus::Cancelled, Version(4), 1));
    }

    #[tokio::test]
    async fn nobody_else_cancels_an_order() {
        let (orders, archive, read) = an_order();
        let order = read.order.clone();
        let refused = orders.cancel_read(read.clone(), &user("bob", &read), None).await;
        assert!(matches!(refused, Err(CancelError::NotFound)));
        assert_eq!(archive.orders(&[order.id]).await.unwrap()[&order.id], order);
    }
}
