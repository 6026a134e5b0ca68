//! The rules of a flash sale in plain Rust: no clock, no store, no network.
//!
//! A folder per bounded context, and the [`shared`] kernel that all of them use.

pub mod admission;
pub mod ordering;
pub mod payment;
pub mod sale;
pub mod shared;
