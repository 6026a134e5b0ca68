//! What a flash sale is, in plain Rust: no clock, no store, no network.
//!
//! Every value here is checked when it is made and cannot become wrong afterwards. [`Stock`] is the
//! executable specification of the Redis scripts: property tests hold the Lua against it.

pub mod cart;
pub mod catalog;
pub mod checkout_code;
pub mod item;
pub mod ledger;
pub mod limits;
pub mod money;
pub mod purchase;
pub mod sale;
pub mod stock;
pub mod user;

pub use cart::{Cart, CartLine, Quantity};
pub use catalog::Catalog;
pub use checkout_code::CheckoutCode;
pub use item::{Item, ItemId, ItemRef, Ordinal};
pub use ledger::{LedgerEntry, LedgerEvent, LedgerId, Released, Sold, SoldUnit};
pub use money::{Currency, Money};
pub use purchase::{Receipt, ReceiptLine};
pub use sale::{Sale, SaleId, SaleKind, SaleStatus, Window};
pub use stock::{BuyNowRefusal, CheckoutRefusal, PurchaseRefusal, RemoveRefusal, Stock};
pub use user::{RequestId, UserId};

/// A value from outside that is not what it should be. The text is meant for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub &'static str);
