//! Paying an order.

use crate::application::ordering::OrderView;
use crate::application::ordering::contention::{ATTEMPTS, CONTENDED};
use crate::application::shared::StoreError;
use crate::domain::ordering::{OrderReason, OrderStatus};
use crate::domain::payment::{Attempt, IntentState, MinorUnits, PaymentMethod};
use crate::domain::shared::CheckoutCode;
use crate::sabotage::{Sabotage, is_on};

use super::payments::Payments;
use super::ports::{CircuitState, NewAttempt, ProviderError};

/// An order after a request to pay it.
#[derive(Debug)]
pub enum Paid {
    /// It is paid.
    Paid(OrderView),
    /// A payment is under way, of this request or of an earlier one.
    Pending(OrderView),
}

/// An order that was not paid.
#[derive(Debug)]
pub enum PayError {
    NotFound,
    /// The provider does not know the means of payment. The order is as before.
    UnknownMethod,
    /// The payment was declined. The order may have attempts left.
    Declined(Box<OrderView>),
    /// The order was cancelled.
    Cancelled(Box<OrderView>),
    Expired(Box<OrderView>),
    /// The provider is not asked at the moment. Nothing has begun.
    ProviderAway,
    Failed(StoreError),
}

impl From<StoreError> for PayError {
    fn from(error: StoreError) -> Self {
        PayError::Failed(error)
    }
}

impl Payments {
    /// Pays the order of a checkout code. Any number of requests, concurrent or later, capture its total once.
    pub async fn pay(&self, code: CheckoutCode, method: PaymentMethod) -> Result<Paid, PayError> {
        for _ in 0..ATTEMPTS {
            let view = self.orders.by_code(code).await?.ok_or(PayError::NotFound)?;
            match view.order.status {
                OrderStatus::Paid => return Ok(Paid::Paid(view)),
                OrderStatus::PaymentPending => return Ok(Paid::Pending(view)),
                OrderStatus::Cancelled => return Err(PayError::Cancelled(Box::new(view))),
                OrderStatus::Expired => return Err(PayError::Expired(Box::new(view))),
                OrderStatus::Reserved => {}
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
                return self.charge(code, &attempt).await;
            }
            if self.orders.is_overdue(&view.order).await? {
                return Err(PayError::Expired(Box::new(view)));
            }
        }
        Err(CONTENDED.into())
    }

    async fn charge(&self, code: CheckoutCode, attempt: &Attempt) -> Result<Paid, PayError> {
        let settler = self.settler();
        match settler.confirm(attempt).await {
            Ok(found) => settler.settle(attempt.order, attempt.number, found).await?,
            Err(ProviderError::UnknownMethod) => {
                // It costs no attempt. If the intent cannot be cancelled now, that is done later.
                let _cancelled = settler.cancel_intent(attempt).await?;
                return Err(PayError::UnknownMethod);
            }
            Err(_) if is_on(Sabotage::TimeoutAsDecline) => {
                settler.settle(attempt.order, attempt.number, IntentState::Declined).await?;
            }
            // It stays pending until the provider answers.
            Err(error) => tracing::warn!(order = %attempt.order, %error, "the outcome of a payment is unknown"),
        }
        let view = self.orders.by_code(code).await?.ok_or(PayError::NotFound)?;
        match view.order.status {
            OrderStatus::Paid => Ok(Paid::Paid(view)),
            OrderStatus::PaymentPending => Ok(Paid::Pending(view)),
            OrderStatus::Reserved => Err(PayError::Declined(Box::new(view))),
            OrderStatus::Cancelled if view.order.reason == Some(OrderReason::PaymentFailed) => {
                Err(PayError::Declined(Box::new(view)))
            }
            OrderStatus::Cancelled => Err(PayError::Cancelled(Box::new(view))),
            OrderStatus::Expired => Err(PayError::Expired(Box::new(view))),
        }
    }
}
