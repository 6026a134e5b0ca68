//! PostgreSQL: the durable truth.

mod connection;
mod coordination;
mod ledger;
mod purchases;
mod sales;

pub use connection::{ConnectError, MIGRATOR, PgArchive};
