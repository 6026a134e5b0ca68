//! Use cases of the ordering context: showing orders, cancelling them, letting them expire, returning their
//! stock, and counting them.
//!
//! PostgreSQL decides the fate of an order first, and its stock follows: no unit is free while its order can still be
//! paid.

mod cancel;
pub mod contention;
mod expire;
mod findings;
mod measure;
#[cfg(any(test, feature = "memory"))]
pub mod memory;
mod orders;
pub mod ports;
mod return_stock;

pub use cancel::{CancelError, Canceller};
pub use findings::{OrderCounts, OrderFindings};
pub use orders::{OrderView, Orders};
