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
mod requirements;
mod restore;
mod scripts;
#[cfg(not(fuzzing))]
mod text;
// For tests/fuzz.
#[cfg(fuzzing)]
pub mod text;

pub use connection::RedisStore;
pub use requirements::ConnectError;

// For benches/micro.
#[doc(hidden)]
pub use text::parse_entries;
