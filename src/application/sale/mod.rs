//! Use cases of the sale context, one a file, around the [`Shop`] and its [`ports`].

mod agreed_time;
pub mod archive_refusals;
mod archived;
pub mod attempts;
pub mod audit;
pub mod browse;
pub mod buy_now;
pub mod cart;
pub mod checkout;
pub mod clock;
pub mod confirmations;
pub mod create_sale;
pub mod end_sale;
pub mod fence;
pub mod findings;
pub mod follow;
pub mod last_audit;
pub mod list_page;
pub mod live_sale;
#[cfg(any(test, feature = "memory"))]
pub mod memory;
pub mod pace;
pub mod persist;
pub mod ports;
mod projection;
pub mod purchase;
pub mod recover;
pub mod refusals;
pub mod registry;
pub mod release;
mod sale_lists;
pub mod schedule;
pub mod shop;
pub mod sold_filter;
mod sold_filter_upkeep;
pub mod stock_feed;
pub mod stock_reader;
pub mod stock_tick;
pub mod tail;
#[cfg(test)]
mod tests;
pub mod verify;
pub mod void;

pub use shop::{Settings, Shop};
