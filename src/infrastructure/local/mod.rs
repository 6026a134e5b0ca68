//! The private Redis and PostgreSQL of `flashsale local` and of the tests: real servers from the installed packages, on
//! free ports of 127.0.0.1, with random passwords. They end when this process ends.
//!
//! - [`RedisServer`] and [`PostgresServer`]: one server each, to start, stop, kill and restart. They block and need no
//!   async runtime, so tests can share one between runtimes.
//! - [`Stores`]: both servers in one locked data directory, and a stand-in payment provider if one is wanted. They are
//!   restarted when they die.
//! - [`default_data_dir`]: the data directory if none is set.
//!
//! Below them: `programs` finds the installed programs, `account` is the user that PostgreSQL runs as, `child` starts
//! children that end with this process, `process` starts and stops a server, `leftover` ends the servers of an earlier
//! process, `provider` is the payment provider, `port` finds a free port, `directory` protects the data, `state_file` is `local.json`.

mod account;
mod child;
mod directory;
mod error;
mod leftover;
mod port;
mod postgres;
mod process;
mod programs;
mod provider;
mod redis;
mod state_file;
mod stores;
#[cfg(test)]
mod tests;

pub use directory::default_data_dir;
pub use error::Error;
pub use port::free_port;
pub use postgres::PostgresServer;
pub use provider::ProviderAccess;
pub use redis::RedisServer;
pub use state_file::{Urls, running};
pub use stores::Stores;

/// Returns a secret of 128 bits as 32 hexadecimal digits, which need no escaping in URLs and configuration files.
fn random_password() -> String {
    format!("{:032x}", rand::random::<u128>())
}
