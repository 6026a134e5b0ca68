//! Redis: where purchases are decided. What is durable is in PostgreSQL.

mod connection;
mod keys;
mod ledger;
mod reply;
mod sale_store;
mod scripts;
mod stock_store;
mod text;

pub use connection::{ConnectError, RedisStore};
pub use scripts::ScriptName;
