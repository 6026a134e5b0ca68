//! Redis decides purchases. PostgreSQL makes them durable.

mod connection;
mod decide;
mod keys;
mod ledger;
mod lifecycle;
mod reply;
mod restore;
mod scripts;
mod text;

pub use connection::{ConnectError, RedisStore};
pub use scripts::ScriptName;
