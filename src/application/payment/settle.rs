//! Settling attempts: asking the provider, and committing what it says.

use crate::application::ordering::contention::{ATTEMPTS, CONTENDED};
use crate::application::ordering::ports::Lease;
use crate::application::shared::StoreError;
use crate::domain::ordering::Order;
use crate::domain::payment::{Attempt, EventId, IntentId, IntentState, Settlement};
use crate::domain::shared::OrderId;

use super::payments::Payments;
use super::ports::{Commit, OrderChange, PaymentArchive, Provider, ProviderError};

/// Settles attempts for a request, or for the work that holds a lease. Each of its writes is made under that lease.
pub(super) struct Settler<'a> {
    pub archive: &'a dyn PaymentArchive,
    pub provider: &'a dyn Provider,
    pub lease: Option<Lease>,
}

impl Payments {
    /// Commits what the provider told about an intent, once for each event. An intent that nobody knows is somebody
    /// else's.
    pub async fn told(&self, event: &EventId, intent: &IntentId, found: IntentState) -> Result<(), StoreError> {
        for _ in 0..ATTEMPTS {
            let Some((order, attempt)) = self.archive.by_intent(intent).await? else { return Ok(()) };
            if self.settler().commit(Some(event), &order, &attempt, found).await? != Commit::Moved {
                return Ok(());
            }
        }
        Err(CONTENDED)
    }

    /// The settler of requests.
    pub(super) fn settler(&self) -> Settler<'_> {
        Settler { archive: &*self.archive, provider: &*self.provider, lease: None }
    }
}

impl Settler<'_> {
    /// Commits what the provider answered for the latest attempt of an order.
    pub async fn settle(&self, id: OrderId, number: u32, found: IntentState) -> Result<(), StoreError> {
        for _ in 0..ATTEMPTS {
            let Some((order, attempt)) = self.archive.latest(id).await? else { return Ok(()) };
            if attempt.number != number || self.commit(None, &order, &attempt, found).await? != Commit::Moved {
                return Ok(());
            }
        }
        Err(CONTENDED)
    }

    async fn commit(
        &self,
        told: Option<&EventId>,
        order: &Order,
        attempt: &Attempt,
        found: IntentState,
    ) -> Result<Commit, StoreError> {
        let Some(settlement) = Settlement::of(order, attempt, found) else { return Ok(Commit::Repeated) };
        let note = attempt.closing.as_ref().and_then(|closing| closing.note.clone());
        let change = settlement.event.and_then(|event| OrderChange::of(order, event, note));
        self.archive.settle(self.lease, told, (order, change.as_ref()), (attempt, settlement.attempt)).await
    }

    /// Asks the provider for the money of an attempt.
    pub async fn confirm(&self, attempt: &Attempt) -> Result<IntentState, ProviderError> {
        let intent = self.intent_of(attempt).await?;
        self.provider.confirm(&intent, attempt).await
    }

    /// Cancels the intent of an attempt, and settles and returns what the provider answers.
    pub async fn cancel_intent(&self, attempt: &Attempt) -> Result<Result<IntentState, ProviderError>, StoreError> {
        let cancelled = async {
            let intent = self.intent_of(attempt).await?;
            match self.provider.cancel(&intent, attempt).await? {
                // A repeated request has the answer of the first.
                IntentState::Processing => self.provider.get(&intent).await,
                found => Ok(found),
            }
        };
        let cancelled = or_declined(cancelled.await);
        if let Ok(found) = cancelled {
            self.settle(attempt.order, attempt.number, found).await?;
        }
        Ok(cancelled)
    }

    /// Returns the name of the intent of an attempt, which is created if that is not known to have happened.
    pub async fn intent_of(&self, attempt: &Attempt) -> Result<IntentId, ProviderError> {
        if let Some(intent) = &attempt.intent {
            return Ok(intent.clone());
        }
        let intent = self.provider.create(attempt).await?;
        if let Err(error) = self.archive.note_intent(self.lease, attempt, &intent).await {
            // The same request to create it gives the same name.
            tracing::warn!(order = %attempt.order, %error, "the name of an intent was not kept");
        }
        Ok(intent)
    }
}

/// Returns what the provider says of an attempt: one that it refuses for good is declined.
pub(super) fn or_declined(answer: Result<IntentState, ProviderError>) -> Result<IntentState, ProviderError> {
    match answer {
        Err(ProviderError::Refused(_)) => Ok(IntentState::Declined),
        answer => answer,
    }
}
