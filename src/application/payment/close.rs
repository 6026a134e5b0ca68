//! Cancelling an order whose payment may be under way.

use crate::application::ordering::{CancelError, Canceller, OrderView};
use crate::application::shared::StoreError;
use crate::domain::ordering::{Note, OrderEvent};
use crate::domain::shared::OrderId;

use super::payments::Payments;

impl Payments {
    /// Cancels an order: first the payment under way, if there is one. A payment that has succeeded makes the order paid
    /// instead. If it is not known whether it has, the order is cancelled, or paid, once the provider tells.
    pub async fn cancel(&self, canceller: &Canceller, note: Option<&Note>) -> Result<OrderView, CancelError> {
        match self.orders.cancel(canceller, note).await {
            Err(CancelError::PaymentPending(view)) => {
                self.close(view.order.id, canceller.event(), note).await?;
                self.orders.cancel(canceller, note).await
            }
            result => result,
        }
    }

    async fn close(&self, id: OrderId, event: OrderEvent, note: Option<&Note>) -> Result<(), StoreError> {
        let Some((_, attempt)) = self.archive.latest(id).await? else { return Ok(()) };
        let Some(attempt) = self.archive.close(None, &attempt, event, note).await? else { return Ok(()) };
        let cancelled = self.settler().cancel_intent(&attempt).await?;
        cancelled.map_err(|error| StoreError::Unreachable(error.into()))
    }
}
