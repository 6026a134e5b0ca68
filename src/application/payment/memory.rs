//! An archive without payments, for tests of everything else.

use std::time::Duration;

use async_trait::async_trait;

use crate::application::ordering::ports::Lease;
use crate::application::shared::StoreError;
use crate::domain::ordering::{Note, Order, OrderEvent};
use crate::domain::payment::{Attempt, AttemptState, EventId, IntentId};
use crate::domain::shared::OrderId;

use super::ports::{Commit, NewAttempt, OrderChange, PaymentArchive};

/// An archive in which no payment begins.
#[derive(Debug, Clone, Copy)]
pub struct NoPayments;

#[async_trait]
impl PaymentArchive for NoPayments {
    async fn begin(&self, _: &Order, _: &NewAttempt) -> Result<Option<Attempt>, StoreError> {
        Ok(None)
    }

    async fn latest(&self, _: OrderId) -> Result<Option<(Order, Attempt)>, StoreError> {
        Ok(None)
    }

    async fn by_intent(&self, _: &IntentId) -> Result<Option<(Order, Attempt)>, StoreError> {
        Ok(None)
    }

    async fn note_intent(&self, _: Option<Lease>, _: &Attempt, _: &IntentId) -> Result<(), StoreError> {
        Ok(())
    }

    async fn hasten(&self, _: &Attempt) -> Result<(), StoreError> {
        Ok(())
    }

    async fn close(
        &self,
        _: Option<Lease>,
        _: &Attempt,
        _: OrderEvent,
        _: Option<&Note>,
    ) -> Result<Option<Attempt>, StoreError> {
        Ok(None)
    }

    async fn settle(
        &self,
        _: Option<Lease>,
        _: Option<&EventId>,
        _: (&Order, Option<&OrderChange>),
        _: (&Attempt, AttemptState),
    ) -> Result<Commit, StoreError> {
        Ok(Commit::Repeated)
    }

    async fn due_in(&self) -> Result<Option<Duration>, StoreError> {
        Ok(None)
    }

    async fn take_due(&self, _: Lease, _: Duration, _: usize) -> Result<Vec<(Order, Attempt)>, StoreError> {
        Ok(Vec::new())
    }
}
