//! PostgreSQL: the durable truth.

mod connection;
mod coordination;
mod ledger;
mod migrations;
mod purchases;
mod sales;

pub use connection::{ConnectError, PgArchive};
pub use migrations::Migration;
