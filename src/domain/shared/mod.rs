//! The shared kernel: money, ids and limits that every context uses.

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
pub struct Invalid(pub &'static str);
