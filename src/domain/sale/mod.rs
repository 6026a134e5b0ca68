//! Sales, carts and purchases.
//!
//! Every value is checked when it is made and cannot become wrong afterwards. [`Stock`] is the executable
//! specification of the Redis scripts.

mod cart;
mod catalog;
mod holdings;
mod item;
mod item_ref;
mod ledger;
mod payment_window;
mod purchase;
mod receipt;
mod refusal;
#[expect(clippy::module_inception, reason = "the aggregate has the name of its context")]
mod sale;
mod sale_status;
mod stock;
mod window;

pub use cart::{Cart, CartLine, Quantity};
pub use catalog::{Catalog, UnknownItem, generated_image};
pub use holdings::Holdings;
pub use item::Item;
pub use item_ref::ItemRef;
pub use ledger::{LedgerEntry, LedgerEvent, Release, ReleaseReason};
pub use payment_window::PaymentWindow;
pub use purchase::{Purchase, SoldUnit};
pub use receipt::{Receipt, ReceiptLine, Terms};
pub use refusal::{BuyNowRefusal, CheckoutRefusal, PurchaseRefusal, ReleaseRefusal, RemoveRefusal};
pub use sale::Sale;
pub use sale_status::SaleStatus;
pub use stock::{BrokenRule, Decision, Stock};
pub use window::Window;
