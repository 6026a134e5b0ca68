//! Cancelling an order whose payment may be under way.

use crate::application::ordering::contention::{ATTEMPTS, CONTENDED};
use crate::application::ordering::{CancelError, Canceller, OrderView};
use crate::domain::ordering::Note;
use crate::domain::payment::Attempt;

use super::payments::Payments;

/// An order after a request to cancel it.
#[derive(Debug)]
pub enum Cancellation {
    /// It is cancelled.
    Done(OrderView),
    /// It will be, unless this payment turns out to have succeeded: the provider has not decided, or does not answer.
    Pending(OrderView, Attempt),
}

impl Payments {
    /// Cancels an order: first the payment under way, if there is one. A payment that has succeeded makes the order paid
    /// instead. If it is not known whether it has, the order is cancelled, or paid, once the provider tells.
    pub async fn cancel(&self, canceller: &Canceller, note: Option<&Note>) -> Result<Cancellation, CancelError> {
        for _ in 0..ATTEMPTS {
            let view = match self.orders.cancel(canceller, note).await {
                Err(CancelError::PaymentPending(view)) => view,
                result => return result.map(Cancellation::Done),
            };
            if let Some((_, attempt)) = self.archive.latest(view.order.id).await?
                && let Some(attempt) = self.archive.close(None, &attempt, canceller.event(), note).await?
            {
                let cancelled = self.cancel_after(&attempt, canceller, note).await;
                return cancelled.map_err(CancelError::after_the_beginning);
            }
        }
        Err(CONTENDED.into())
    }

    /// Cancels an order after this payment of it. From here on the order ends, whatever happens to the request.
    async fn cancel_after(
        &self,
        attempt: &Attempt,
        canceller: &Canceller,
        note: Option<&Note>,
    ) -> Result<Cancellation, CancelError> {
        if let Err(error) = self.settler().cancel_intent(attempt).await? {
            tracing::warn!(order = %attempt.order, %error, "a payment that is to be cancelled is still unknown");
        }
        match self.orders.cancel(canceller, note).await {
            Err(CancelError::PaymentPending(view)) => Ok(Cancellation::Pending(*view, attempt.clone())),
            result => result.map(Cancellation::Done),
        }
    }
}
