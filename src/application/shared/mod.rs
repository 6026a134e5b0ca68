//! The types that the use cases of every context share.

mod batch_time;
pub mod blocking;
mod store_error;
mod tasks;
mod turns;

pub use batch_time::{BatchTime, EXPECTED_WAIT_MAX};
pub use store_error::StoreError;
pub use tasks::{TaskState, Tasks};
pub use turns::{Turn, Turns};
