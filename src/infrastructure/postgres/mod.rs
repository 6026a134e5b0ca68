//! PostgreSQL keeps the durable truth.

mod attempts;
mod connection;
mod coordination;
mod ledger;
mod migrations;
mod pools;
mod purchases;
mod sales;
mod statement;

pub use connection::{ConnectError, PgArchive};
pub use migrations::Migration;
pub use pools::measure;
pub use statement::Statement;
