//! The use cases, in terms of the domain and of narrow ports.
//!
//! A folder per bounded context; [`shared`] holds what all of them use.

pub mod admission;
pub mod ordering;
pub mod payment;
pub mod sale;
pub mod shared;
