//! PostgreSQL keeps the durable truth.

mod attempts;
mod connection;
mod coordination;
mod errors;
mod held;
mod ledger;
pub mod metrics;
mod migrations;
mod orders;
mod payments;
mod pool;
mod pools;
mod purchases;
mod requirements;
pub mod roles;
mod sales;
mod server;
mod statement;
mod waiting_rooms;

pub use connection::PgArchive;
pub use migrations::{Loss, Migration};
pub use requirements::ConnectError;
