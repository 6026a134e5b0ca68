//! Endpoints about who is asking.

pub mod session;

/// The group of these endpoints.
pub const IDENTITY: &str = "Identity";
