//! The limits of the interface: the settings of a listener, and the rates of its callers.

pub mod rate_limit;
pub mod settings;
