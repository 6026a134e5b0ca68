//! The needs of the use cases. The doc comments are contracts.

use std::time::Duration;

use async_trait::async_trait;

use crate::application::ordering::ports::{End, Lease};
use crate::application::shared::StoreError;
use crate::domain::ordering::{Note, Order, OrderEvent, OrderStatus, Transition};
use crate::domain::payment::{Attempt, AttemptState, EventId, IntentId, IntentState, MinorUnits, PaymentMethod};
use crate::domain::shared::{Currency, OrderId};

/// A request to the provider without an answer to it.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// Nothing was asked: the provider has not answered several times, and is left alone for a moment.
    #[error("the payment provider does not answer at the moment")]
    Resting,
    /// The provider does not know the payment method, and has charged nothing.
    #[error("the payment provider does not know the payment method")]
    UnknownMethod,
    /// The provider refuses for good to create the intent, whatever the means of payment. Nothing will ever be charged.
    #[error("the payment provider refuses the payment: it answered {0}")]
    Refused(u16),
    /// The provider failed. It may have done what it was asked.
    #[error("the payment provider failed: it answered {0}")]
    Failed(u16),
    /// The provider did not answer. It may have done what it was asked.
    #[error("the payment provider did not answer: {0}")]
    Unknown(String),
}

/// The state of the circuit to a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CircuitState {
    Closed,
    /// The next request is sent, to find out whether the provider answers again.
    HalfOpen,
    /// No request is sent.
    Open,
}

/// The provider. Each operation may be repeated: the attempt makes it the same request.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Returns the state of the circuit to it; `None` without a provider.
    fn circuit(&self) -> Option<CircuitState>;

    /// Creates the intent of an attempt.
    async fn create(&self, attempt: &Attempt) -> Result<IntentId, ProviderError>;

    /// Asks for the money.
    async fn confirm(&self, intent: &IntentId, attempt: &Attempt) -> Result<IntentState, ProviderError>;

    /// Cancels an intent, unless it has succeeded.
    async fn cancel(&self, intent: &IntentId, attempt: &Attempt) -> Result<IntentState, ProviderError>;

    /// Gives the money back.
    async fn refund(&self, intent: &IntentId, attempt: &Attempt) -> Result<(), ProviderError>;

    /// Reads the state of an intent.
    async fn get(&self, intent: &IntentId) -> Result<IntentState, ProviderError>;
}

/// A payment to begin.
#[derive(Debug, Clone)]
pub struct NewAttempt {
    pub method: PaymentMethod,
    pub amount: MinorUnits,
    pub currency: Currency,
    /// Longest time in which the payment may be pending.
    pub patience: Duration,
    /// Time after which to ask the provider what became of it.
    pub ask_after: Duration,
}

/// The change of an order that a settlement means.
#[derive(Debug, Clone)]
pub enum OrderChange {
    Paid,
    /// Back to `RESERVED`, with one more declined payment.
    Declined,
    Ended(End),
}

impl OrderChange {
    /// The change that an event means for an order, with the words of the person who cancelled it; `None` if it may not
    /// happen.
    pub fn of(order: &Order, event: OrderEvent, note: Option<Note>) -> Option<OrderChange> {
        match order.status.after(event)? {
            (OrderStatus::Paid, _) => Some(OrderChange::Paid),
            (OrderStatus::Reserved, _) => Some(OrderChange::Declined),
            (status, Some(reason)) => Some(OrderChange::Ended(End { status, reason, note })),
            (_, None) => None,
        }
    }

    /// Returns the words of the person who cancelled the order.
    pub fn note(&self) -> Option<&Note> {
        match self {
            OrderChange::Paid | OrderChange::Declined => None,
            OrderChange::Ended(end) => end.note.as_ref(),
        }
    }

    /// Returns the transition of an order in this state.
    pub fn transition(&self, from: OrderStatus) -> Transition {
        match self {
            OrderChange::Paid => Transition { from, to: OrderStatus::Paid, reason: None },
            OrderChange::Declined => Transition { from, to: OrderStatus::Reserved, reason: None },
            OrderChange::Ended(end) => end.transition(from),
        }
    }
}

/// The result of an attempt to commit a settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commit {
    Done,
    /// The event was committed before.
    Repeated,
    /// The order or the attempt has changed since it was read.
    Moved,
}

/// Attempts, in PostgreSQL, next to the orders that they pay.
///
/// A request writes without a lease. Work writes under its lease: once that is lost, nothing is written.
#[async_trait]
pub trait PaymentArchive: Send + Sync {
    /// Begins a payment of a reserved order that still has this version and is not overdue. Returns `None`, and changes
    /// nothing, if it has not.
    async fn begin(&self, order: &Order, new: &NewAttempt) -> Result<Option<Attempt>, StoreError>;

    /// Reads an order with its latest attempt.
    async fn latest(&self, order: OrderId) -> Result<Option<(Order, Attempt)>, StoreError>;

    /// Reads the attempt with this intent, and its order.
    async fn by_intent(&self, intent: &IntentId) -> Result<Option<(Order, Attempt)>, StoreError>;

    /// Keeps the name of the intent of an attempt.
    async fn note_intent(&self, lease: Option<Lease>, attempt: &Attempt, intent: &IntentId) -> Result<(), StoreError>;

    /// Makes a pending attempt due to be looked at now.
    async fn hasten(&self, attempt: &Attempt) -> Result<(), StoreError>;

    /// Keeps the event for which the intent of a pending attempt is being cancelled, and the words of the person who
    /// cancels, unless there is one. Returns the attempt with the event that is kept; `None` if the attempt is not pending
    /// any more, or the lease is lost.
    async fn close(
        &self,
        lease: Option<Lease>,
        attempt: &Attempt,
        event: OrderEvent,
        note: Option<&Note>,
    ) -> Result<Option<Attempt>, StoreError>;

    /// Commits the new state of an attempt, the change of its order and the event that told it, or nothing. Fails with
    /// [`StoreError::Busy`] if the lease is lost.
    async fn settle(
        &self,
        lease: Option<Lease>,
        told: Option<&EventId>,
        (order, change): (&Order, Option<&OrderChange>),
        (attempt, state): (&Attempt, AttemptState),
    ) -> Result<Commit, StoreError>;

    /// Returns the time until the next attempt is due to be looked at, which is zero if one is; `None` without one.
    async fn due_in(&self) -> Result<Option<Duration>, StoreError>;

    /// Takes up to `max` attempts that are due to be looked at, with their orders, if the lease is still held. They are due
    /// again after `pause`.
    async fn take_due(&self, lease: Lease, pause: Duration, max: usize) -> Result<Vec<(Order, Attempt)>, StoreError>;
}
