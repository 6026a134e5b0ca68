//! The types that the use cases of every context share.

mod store_error;

pub use store_error::StoreError;
