//! Paying an order.

use crate::application::ordering::OrderView;
use crate::application::ordering::contention::{ATTEMPTS, CONTENDED};
use crate::application::shared::StoreError;
use crate::domain::ordering::{OrderReason, OrderStatus};
use crate::domain::payment::{Attempt, IntentState, MinorUnits, PaymentMethod};
use crate::domain::shared::limits::PAYMENT_MISTAKES;
use crate::domain::shared::{CheckoutCode, Claim};
use crate::sabotage::{Sabotage, is_on};

use super::payments::Payments;
use super::ports::{CircuitState, NewAttempt, ProviderError};

/// An order after a request to pay it.
#[derive(Debug)]
pub enum Paid {
    /// It is paid.
    Paid(OrderView),
    /// This payment is under way, of this request or of an earlier one.
    Pending(OrderView, Attempt),
}

/// An order that was not paid.
#[derive(Debug)]
pub enum PayError {
    NotFound,
    /// The provider does not know the means of payment. The order is as before; after several times that is a decline.
    UnknownMethod,
    /// The payment was declined. The order may have attempts left.
    Declined(Box<OrderView>),
    /// The provider refuses the payment, whatever the means. That counts as declined.
    Refused(Box<OrderView>),
    /// The order was cancelled.
    Cancelled(Box<OrderView>),
    Expired(Box<OrderView>),
    /// The provider is not asked at the moment. Nothing has begun.
    ProviderAway,
    /// Nothing has begun.
    Failed(StoreError),
    /// A payment has begun, and its outcome could not be read or committed.
    Unknown(StoreError),
}

impl PayError {
    /// The same after a payment has begun: it may have been charged.
    fn after_the_beginning(self) -> Self {
        match self {
            PayError::Failed(error) => PayError::Unknown(error),
            other => other,
        }
    }
}

impl From<StoreError> for PayError {
    fn from(error: StoreError) -> Self {
        PayError::Failed(error)
    }
}

impl Payments {
    /// Pays the order of a checkout code. Any number of requests, concurrent or later, capture its total once.
    pub async fn pay(&self, claim: impl Into<Claim>, method: PaymentMethod) -> Result<Paid, PayError> {
        let claim = claim.into();
        for _ in 0..ATTEMPTS {
            let view = self.orders.by_code(claim.clone()).await?.ok_or(PayError::NotFound)?;
            if view.order.status != OrderStatus::Reserved {
                match self.present(view).await? {
                    Some(paid) => return Ok(paid),
                    None => continue,
                }
            }
            // Nothing has begun yet, so nothing is unknown.
            if matches!(self.provider.circuit(), None | Some(CircuitState::Open)) {
                return Err(PayError::ProviderAway);
            }
            let new = NewAttempt {
                method: method.clone(),
                amount: MinorUnits::of(view.receipt.total, view.receipt.currency),
                currency: view.receipt.currency,
                patience: self.times.patience,
                ask_after: self.times.ask_after,
            };
            if let Some(attempt) = self.archive.begin(&view.order, &new).await? {
                return self.charge(claim.code, &attempt).await.map_err(PayError::after_the_beginning);
            }
            if self.orders.is_overdue(&view.order).await? {
                return Err(PayError::Expired(Box::new(view)));
            }
        }
        Err(CONTENDED.into())
    }

    async fn charge(&self, code: CheckoutCode, attempt: &Attempt) -> Result<Paid, PayError> {
        let settler = self.settler();
        let confirmed = settler.confirm(attempt).await;
        let is_refused = matches!(confirmed, Err(ProviderError::Refused(_)));
        match confirmed {
            Ok(found) => settler.settle(attempt.order, attempt.number, found).await?,
            Err(ProviderError::UnknownMethod) => {
                // If the intent cannot be cancelled now, that is done later.
                let _cancelled = settler.cancel_intent(attempt).await?;
                if attempt.number <= PAYMENT_MISTAKES {
                    return Err(PayError::UnknownMethod);
                }
            }
            Err(error @ ProviderError::Refused(_)) => {
                tracing::warn!(order = %attempt.order, %error, "a payment is impossible");
                settler.settle(attempt.order, attempt.number, IntentState::Declined).await?;
            }
            Err(_) if is_on(Sabotage::TimeoutAsDecline) => {
                settler.settle(attempt.order, attempt.number, IntentState::Declined).await?;
            }
            // Nothing was asked, because the circuit opened or another request is the probe.
            Err(ProviderError::Resting) => self.archive.hasten(attempt).await?,
            // It stays pending until the provider answers.
            Err(error) => tracing::warn!(order = %attempt.order, %error, "the outcome of a payment is unknown"),
        }
        let view = self.orders.by_code(code).await?.ok_or(PayError::NotFound)?;
        match (view.order.status, view.order.reason) {
            (OrderStatus::Reserved, _) | (OrderStatus::Cancelled, Some(OrderReason::PaymentFailed)) => {
                Err(if is_refused { PayError::Refused(Box::new(view)) } else { PayError::Declined(Box::new(view)) })
            }
            _ => self.present(view).await?.ok_or_else(|| CONTENDED.into()),
        }
    }

    /// Returns what an order that is not reserved means for a request to pay it; `None` if it changes at this moment.
    async fn present(&self, view: OrderView) -> Result<Option<Paid>, PayError> {
        match view.order.status {
            OrderStatus::Reserved => Ok(None),
            OrderStatus::Paid => Ok(Some(Paid::Paid(view))),
            OrderStatus::Cancelled => Err(PayError::Cancelled(Box::new(view))),
            OrderStatus::Expired => Err(PayError::Expired(Box::new(view))),
            OrderStatus::PaymentPending => {
                // Both are of the same moment.
                let latest = self.archive.latest(view.order.id).await?;
                let pending = latest.filter(|(order, _)| order.status == OrderStatus::PaymentPending);
                Ok(pending.map(|(order, attempt)| Paid::Pending(OrderView { order, ..view }, attempt)))
            }
        }
    }
}
