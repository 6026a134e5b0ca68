//! Use cases of the ordering context: showing orders, cancelling them, letting them expire, and returning their stock.
//!
//! PostgreSQL decides the fate of an order first, and its stock follows: no unit is free while its order can still be
//! paid.

mod cancel;
mod expire;
#[cfg(any(test, feature = "memory"))]
pub mod memory;
mod orders;
pub mod ports;
mod return_stock;

pub use cancel::{CancelError, Canceller};
pub use orders::{OrderView, Orders};
