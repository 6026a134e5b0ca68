//! Cancelling a payment under way, so that its order can end.

use crate::application::ordering::{CancelError, OrderView};
use crate::application::shared::StoreError;
use crate::domain::ordering::OrderEvent;
use crate::domain::payment::{Attempt, IntentId, IntentState};
use crate::domain::shared::{CheckoutCode, OrderId, UserId};

use super::payments::Payments;
use super::ports::ProviderError;

impl Payments {
    /// Cancels the order of a checkout code for its buyer: first the payment under way, if there is one. A payment that
    /// has succeeded makes the order paid instead.
    pub async fn cancel(
        &self,
        code: CheckoutCode,
        user: UserId,
        note: Option<String>,
    ) -> Result<OrderView, CancelError> {
        match self.orders.cancel(code, user.clone(), note.clone()).await {
            Err(CancelError::PaymentPending(view)) => {
                self.close(view.order.id, OrderEvent::CancelledByUser).await?;
                self.orders.cancel(code, user, note).await
            }
            result => result,
        }
    }

    /// Does the same for an administrator, who names the order by its id.
    pub async fn cancel_by_id(&self, id: OrderId, note: Option<String>) -> Result<OrderView, CancelError> {
        match self.orders.cancel_by_id(id, note.clone()).await {
            Err(CancelError::PaymentPending(_)) => {
                self.close(id, OrderEvent::CancelledByAdmin).await?;
                self.orders.cancel_by_id(id, note).await
            }
            result => result,
        }
    }

    async fn close(&self, id: OrderId, event: OrderEvent) -> Result<(), StoreError> {
        let Some((_, attempt)) = self.archive.latest(id).await? else { return Ok(()) };
        let attempt = self.archive.close(&attempt, event).await?;
        self.cancel_intent(&attempt).await?.map_err(|error| StoreError::Unreachable(error.into()))
    }

    /// Cancels the intent of an attempt, and settles what the provider answers.
    pub(super) async fn cancel_intent(&self, attempt: &Attempt) -> Result<Result<(), ProviderError>, StoreError> {
        let cancelled = async {
            let intent = self.intent_of(attempt).await?;
            match self.provider.cancel(&intent, attempt).await? {
                // A repeated request has the answer of the first.
                IntentState::Processing => self.provider.get(&intent).await,
                found => Ok(found),
            }
        };
        match cancelled.await {
            Ok(found) => self.settle(attempt.order, attempt.number, found).await.map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }

    /// Returns the name of the intent of an attempt, which is created if that is not known to have happened.
    pub(super) async fn intent_of(&self, attempt: &Attempt) -> Result<IntentId, ProviderError> {
        if let Some(intent) = &attempt.intent {
            return Ok(intent.clone());
        }
        let intent = self.provider.create(attempt).await?;
        if let Err(error) = self.archive.note_intent(attempt, &intent).await {
            // The same request to create it gives the same name.
            tracing::warn!(order = %attempt.order, %error, "the name of an intent was not kept");
        }
        Ok(intent)
    }
}
