//! An attempt to pay an order.

use std::time::Duration;

use serde::Serialize;
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::domain::ordering::{Note, OrderEvent};
use crate::domain::shared::{Currency, OrderId};

use super::{IntentId, MinorUnits, PaymentMethod};

/// The state of an attempt. As a text it is the word in the table and in answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, EnumString, IntoStaticStr, VariantArray, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum AttemptState {
    /// It is not known what the provider decides.
    Pending,
    Succeeded,
    Declined,
    Cancelled,
    /// Money was captured for an order that had ended: it must be given back.
    Refunding,
    Refunded,
}

/// The end that waits until the intent of an attempt is cancelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// The event that then happens to the order.
    pub event: OrderEvent,
    /// The words of the person who cancels.
    pub note: Option<Note>,
    /// The time since it began to wait. PostgreSQL measures it: the clock of an instance may be wrong.
    pub elapsed: Duration,
}

/// An attempt to pay an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub order: OrderId,
    /// From 1.
    pub number: u32,
    /// The intent at the provider, once its name is known.
    pub intent: Option<IntentId>,
    pub method: PaymentMethod,
    pub amount: MinorUnits,
    pub currency: Currency,
    pub state: AttemptState,
    /// The end that waits until the intent is cancelled, if any.
    pub closing: Option<Closing>,
}

impl Attempt {
    /// Returns the key that makes a repeated request to the provider the same request.
    pub fn idempotency_key(&self, operation: &str) -> String {
        format!("{}:{operation}:{}", self.order, self.number)
    }
}
