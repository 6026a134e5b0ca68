//! Endpoints of the sale context: shopping, and browsing sales, items and purchases.

pub mod active_sale;
pub mod buy_now;
pub mod cart;
pub mod cart_body;
pub mod checkout;
pub mod item;
pub mod item_body;
pub mod items;
pub mod metrics;
pub mod problems;
pub mod purchase;
pub mod purchase_answer;
pub mod receipt;
pub mod receipt_body;
pub mod remove_item;
#[expect(clippy::module_inception, reason = "the noun has the name of its context")]
pub mod sale;
pub mod sale_body;
pub mod sales;
pub mod sold_filter;
pub mod stock_events;
pub mod stock_events_text;
pub mod user_purchases;

/// The group of the endpoints that fill carts and buy.
pub const SHOPPING: &str = "Shopping";

/// The group of the endpoints that show sales, items and purchases.
pub const BROWSING: &str = "Browsing";
