//! The shared kernel: money, ids and limits that every context uses.

use std::borrow::Cow;
use std::fmt::Display;

mod checkout_code;
mod epoch;
mod item_id;
mod ledger_id;
pub mod limits;
mod money;
mod order_id;
mod sale_id;
mod user;

pub use checkout_code::CheckoutCode;
pub use epoch::Epoch;
pub use item_id::{ItemId, Ordinal};
pub use ledger_id::LedgerId;
pub use money::{Currency, Money};
pub use order_id::OrderId;
pub use sale_id::{SaleId, SaleKind};
pub use user::{RequestId, UserId};

/// A value from outside that breaks a rule. The text is for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(Cow<'static, str>);

impl Invalid {
    /// An error with this text.
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Invalid(message.into())
    }

    /// An error for a number that is not from 1 to `max`.
    pub fn not_up_to(max: impl Display) -> Self {
        Invalid::new(format!("must be 1 to {max}"))
    }

    /// Returns the text.
    pub fn message(&self) -> &str {
        &self.0
    }
}
