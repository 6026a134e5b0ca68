//! An attempt to pay an order.

use chrono::{DateTime, Utc};
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::domain::ordering::OrderEvent;
use crate::domain::shared::{Currency, OrderId};

use super::{IntentId, MinorUnits, PaymentMethod};

/// The state of an attempt. As a text it is the word in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
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
    /// The event that waits until the intent is cancelled, and the time since which.
    pub closing: Option<(OrderEvent, DateTime<Utc>)>,
}

impl Attempt {
    /// Returns the key that makes a repeated request to the provider the same request.
    pub fn idempotency_key(&self, operation: &str) -> String {
        format!("{}:{operation}:{}", self.order, self.number)
    }
}
