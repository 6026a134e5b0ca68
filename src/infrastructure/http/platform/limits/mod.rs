//! The limits of the interface: the settings of a listener, the rates of its callers, and their addresses.

pub mod owner_places;
pub mod proxies;
pub mod rate_limit;
pub mod settings;
pub mod stream_places;
pub mod surplus;
