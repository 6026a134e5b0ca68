//! Finding out what became of payments: those whose answer or event was lost, those whose order is overdue, and those
//! whose money must be given back.

use std::time::Duration;

use futures::future::join_all;

use crate::application::ordering::ports::{End, Work};
use crate::application::shared::StoreError;
use crate::domain::ordering::{Order, OrderEvent};
use crate::domain::payment::{Attempt, AttemptState, IntentState};
use crate::sabotage::{Sabotage, is_on};

use super::payments::Payments;
use super::ports::{Commit, ProviderError};
use super::settle::{Settler, or_declined};

/// Attempts that are looked at at once: few enough not to be a burden for the provider and for PostgreSQL.
const BATCH: usize = 16;

/// Time for which the work is claimed. A provider that answers nothing takes at most three of its deadlines of 5 s for a
/// batch. What takes longer loses the lease, and with it the right to write.
const LEASE_TIME: Duration = Duration::from_secs(30);

/// Longest pause between looks for attempts that are due.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Pause before an attempt is looked at again.
const PAUSE: Duration = Duration::from_secs(2);

impl Payments {
    /// Looks at the attempts that are due, if no other instance does. Returns the pause until there may be more.
    pub async fn reconcile(&self) -> Result<Duration, StoreError> {
        let next = self.work.due_in().await?.unwrap_or(LOOK_EVERY);
        if !next.is_zero() {
            return Ok(next.min(LOOK_EVERY));
        }
        let orders = &self.orders;
        let Some(lease) = orders.work.claim(Work::Reconciliation, orders.holder, LEASE_TIME).await? else {
            return Ok(LOOK_EVERY);
        };
        let settler = Settler { archive: &*self.work, provider: &*self.provider, lease: Some(lease) };
        let due = self.work.take_due(lease, PAUSE, BATCH).await?;
        let looks = due.iter().map(|(order, attempt)| self.look_at(&settler, order, attempt));
        // A failure with one attempt does not keep the others from being looked at.
        join_all(looks).await.into_iter().collect::<Result<(), _>>()?;
        Ok(if due.len() == BATCH { Duration::ZERO } else { LOOK_EVERY })
    }

    async fn look_at(&self, settler: &Settler<'_>, order: &Order, attempt: &Attempt) -> Result<(), StoreError> {
        let looked = match attempt.state {
            AttemptState::Refunding => settler.refund(order, attempt).await?,
            // The order ended while the provider had not decided.
            _ if order.status.is_final() => settler.cancel_intent(attempt).await?.map(drop),
            _ if attempt.closing.is_some() || self.is_overdue(order).await? => {
                self.end_pending(settler, order, attempt).await?
            }
            _ => settler.ask(attempt).await?,
        };
        match looked {
            // The circuit has logged that it is open.
            Ok(()) | Err(ProviderError::Resting) => {}
            Err(error) => tracing::warn!(order = %order.id, %error, "a payment is still unknown"),
        }
        Ok(())
    }

    async fn is_overdue(&self, order: &Order) -> Result<bool, StoreError> {
        self.orders.work.is_overdue(order.id, self.orders.shop.clock.now()).await
    }

    /// Ends an order whose payment is pending: by what the provider says, or without it after a while.
    async fn end_pending(
        &self,
        settler: &Settler<'_>,
        order: &Order,
        attempt: &Attempt,
    ) -> Result<Result<(), ProviderError>, StoreError> {
        let closed = settler.archive.close(settler.lease, attempt, OrderEvent::Overdue, None).await?;
        let Some(attempt) = closed else { return Ok(Ok(())) };
        let (cancelled, patience) = match is_on(Sabotage::ExpireBeforeCancel) {
            true => (Err(ProviderError::Resting), Duration::ZERO),
            false => (settler.cancel_intent(&attempt).await?, self.times.silence),
        };
        if !matches!(cancelled, Ok(found) if found.is_decided())
            && let Some(closing) = attempt.closing
            && closing.elapsed > patience
            && let Some((status, Some(reason))) = order.status.after(closing.event)
        {
            tracing::error!(order = %order.id, "the provider has not decided: the order ends, and money is given back");
            let end = End { status, reason, note: closing.note };
            self.orders.work.end(order, &end, settler.lease).await?;
        }
        Ok(cancelled.map(drop))
    }
}

impl Settler<'_> {
    async fn ask(&self, attempt: &Attempt) -> Result<Result<(), ProviderError>, StoreError> {
        let asked = async {
            let intent = self.intent_of(attempt).await?;
            match self.provider.get(&intent).await? {
                // The request to confirm it was lost.
                IntentState::Unconfirmed => self.provider.confirm(&intent, attempt).await,
                found => Ok(found),
            }
        };
        match or_declined(asked.await) {
            Ok(found) => self.settle(attempt.order, attempt.number, found).await.map(Ok),
            Err(ProviderError::UnknownMethod) => Ok(self.cancel_intent(attempt).await?.map(drop)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn refund(&self, order: &Order, attempt: &Attempt) -> Result<Result<(), ProviderError>, StoreError> {
        let refunded = async {
            let intent = self.intent_of(attempt).await?;
            self.provider.refund(&intent, attempt).await
        };
        if let Err(error) = refunded.await {
            return Ok(Err(error));
        }
        let refunded = (attempt, AttemptState::Refunded);
        match self.archive.settle(self.lease, None, (order, None), refunded).await? {
            Commit::Done => tracing::info!(order = %order.id, "money that came too late was given back"),
            Commit::Repeated | Commit::Moved => {}
        }
        Ok(Ok(()))
    }
}
