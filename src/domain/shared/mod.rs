//! The shared kernel: money, ids and limits that every context uses.

mod checkout_code;
mod claim;
mod epoch;
mod invalid;
mod item_id;
mod ledger_id;
pub mod limits;
mod money;
mod order_id;
mod sale_id;
mod text_form;
mod user;

pub use checkout_code::CheckoutCode;
pub use claim::Claim;
pub use epoch::Epoch;
pub use invalid::Invalid;
pub use item_id::{ItemId, Ordinal};
pub use ledger_id::LedgerId;
pub use money::{Currency, Money};
pub use order_id::OrderId;
pub use sale_id::{SaleId, SaleKind};
pub use user::{RequestId, UserId};
