//! The types that the use cases of every context share.

pub mod blocking;
mod store_error;
mod tasks;

pub use store_error::StoreError;
pub use tasks::{TaskState, Tasks};
