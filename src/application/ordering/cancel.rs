//! Cancelling an order.

use crate::application::shared::StoreError;
use crate::domain::ordering::{Order, OrderEvent, OrderStatus};
use crate::domain::shared::{CheckoutCode, OrderId, UserId};

use super::orders::{OrderView, Orders};
use super::ports::End;

/// Attempts to cancel an order that changes at the same time.
const ATTEMPTS: usize = 5;

/// The answer to a cancellation that lost against other changes each time.
const CONTENDED: StoreError = StoreError::Busy("the order changed at the same time");

/// Somebody who may cancel an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Canceller {
    /// The buyer, who must own the order.
    User(UserId),
    Administrator,
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
    #[error(transparent)]
    Failed(#[from] StoreError),
}

impl Orders {
    /// Cancels the order of a checkout code. Any number of calls cancel once.
    pub async fn cancel(
        &self,
        code: CheckoutCode,
        user: UserId,
        note: Option<String>,
    ) -> Result<OrderView, CancelError> {
        let view = self.by_code(code).await?.ok_or(CancelError::NotFound)?;
        self.cancel_for(&Canceller::User(user), view, note).await
    }

    /// Does the same for an administrator, who names the order by its id.
    pub async fn cancel_by_id(&self, id: OrderId, note: Option<String>) -> Result<OrderView, CancelError> {
        let view = self.by_id(id).await?.ok_or(CancelError::NotFound)?;
        self.cancel_for(&Canceller::Administrator, view, note).await
    }

    async fn cancel_for(
        &self,
        canceller: &Canceller,
        mut view: OrderView,
        note: Option<String>,
    ) -> Result<OrderView, CancelError> {
        let event = match canceller {
            Canceller::User(user) if *user != view.receipt.user_id => return Err(CancelError::NotFound),
            Canceller::User(_) => OrderEvent::CancelledByUser,
            Canceller::Administrator => OrderEvent::CancelledByAdmin,
        };
        for _ in 0..ATTEMPTS {
            match view.order.status {
                OrderStatus::Cancelled => return Ok(view),
                OrderStatus::Paid | OrderStatus::Expired => return Err(CancelError::Final(Box::new(view))),
                OrderStatus::Reserved | OrderStatus::PaymentPending => {}
            }
            if let Some(order) = self.end(&view.order, event, note.clone()).await? {
                return Ok(OrderView { order, ..view });
            }
            view = self.with_order(view.receipt).await?;
        }
        Err(CONTENDED.into())
    }

    async fn end(&self, order: &Order, event: OrderEvent, note: Option<String>) -> Result<Option<Order>, StoreError> {
        let Some((status, Some(reason))) = order.status.after(event) else { return Ok(None) };
        self.archive.end(order, &End { status, reason, note }).await
    }
}
