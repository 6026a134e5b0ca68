//! Redis decides purchases. PostgreSQL makes them durable.

mod calls;
mod connection;
mod decide;
mod groups;
mod inspect;
mod keys;
mod ledger;
mod lifecycle;
mod link;
pub mod metrics;
mod reply;
mod restore;
mod scripts;
mod text;

pub use connection::{ConnectError, RedisStore};

// For benches/micro.
#[doc(hidden)]
pub use text::parse_entries;
