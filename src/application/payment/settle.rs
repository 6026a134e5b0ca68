//! Committing what the provider says.

use crate::application::shared::StoreError;
use crate::domain::ordering::Order;
use crate::domain::payment::{Attempt, EventId, IntentId, IntentState, Settlement};
use crate::domain::shared::OrderId;

use super::payments::Payments;
use super::ports::{Commit, OrderChange};

/// Attempts to commit while the order changes at the same time.
const ATTEMPTS: usize = 5;

/// The answer to a commit that lost against other changes each time.
const CONTENDED: StoreError = StoreError::Busy("the order changed at the same time");

impl Payments {
    /// Commits what the provider told about an intent, once for each event. An intent that nobody knows is somebody
    /// else's.
    pub async fn told(&self, event: &EventId, intent: &IntentId, found: IntentState) -> Result<(), StoreError> {
        for _ in 0..ATTEMPTS {
            let Some((order, attempt)) = self.archive.by_intent(intent).await? else { return Ok(()) };
            if self.commit(Some(event), &order, &attempt, found).await? != Commit::Moved {
                return Ok(());
            }
        }
        Err(CONTENDED)
    }

    /// Commits what the provider answered for the latest attempt of an order.
    pub(super) async fn settle(&self, id: OrderId, number: u32, found: IntentState) -> Result<(), StoreError> {
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
        let change = settlement.event.and_then(|event| OrderChange::of(order, event));
        self.archive.settle(told, (order, change.as_ref()), (attempt, settlement.attempt)).await
    }
}
