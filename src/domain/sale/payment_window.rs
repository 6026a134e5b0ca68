//! The time in which an order of a sale must be paid.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::domain::shared::limits::PAYMENT_WINDOW_SECONDS_MAX;
use crate::domain::shared::{Invalid, LedgerId};

/// The time from a purchase until it must be paid, in whole seconds. A sale without one wants no payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PaymentWindow(u32);

impl PaymentWindow {
    /// Returns the number of seconds.
    pub fn seconds(self) -> u32 {
        self.0
    }

    /// Returns the time by which the purchase with this ledger id must be paid.
    pub fn pay_by(self, purchase: LedgerId) -> DateTime<Utc> {
        purchase.time() + TimeDelta::seconds(self.0.into())
    }
}

impl TryFrom<u32> for PaymentWindow {
    type Error = Invalid;

    fn try_from(seconds: u32) -> Result<Self, Invalid> {
        match seconds {
            1..=PAYMENT_WINDOW_SECONDS_MAX => Ok(PaymentWindow(seconds)),
            _ => Err(Invalid::new(format!("must be a number of seconds from 1 to {PAYMENT_WINDOW_SECONDS_MAX}"))),
        }
    }
}
