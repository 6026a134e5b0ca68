//! What the service does, one use case a file, in terms of the domain and of narrow [`ports`].

pub mod attempts;
pub mod audit;
pub mod browse;
pub mod checkout;
pub mod confirmations;
pub mod fence;
pub mod follow;
pub mod live_sale;
pub mod persist;
pub mod ports;
pub mod purchase;
pub mod recover;
pub mod refusals;
pub mod sales;
pub mod schedule;
pub mod shop;
pub mod sold_filter;
pub mod verify;

pub use shop::{Ports, Settings, Shop};
