//! The private Redis and PostgreSQL of `flashsale local` and of the tests: real servers, started from what is
//! installed, on free ports of 127.0.0.1, with random passwords, which end when this process ends.
//!
//! - [`RedisServer`] and [`PostgresServer`]: one server each, to start, stop, kill and restart. They block, and
//!   belong to no async runtime, so that tests may share one over their runtimes.
//! - [`Stores`]: both under one data directory, locked, watched over and restarted when one dies.
//! - [`default_data_dir`]: where they keep their data when nobody says.
//!
//! Below them: `programs` finds what is installed, `account` is whom PostgreSQL runs as, `child` makes children that
//! die with us, `process` brings a server up and down, `leftover` ends those of an earlier process, `port` finds a
//! free port, `directory` guards the data, `state_file` is `local.json`.

mod account;
mod child;
mod directory;
mod error;
mod leftover;
mod port;
mod postgres;
mod process;
mod programs;
mod redis;
mod state_file;
mod stores;
#[cfg(test)]
mod tests;

pub use directory::default_data_dir;
pub use error::Error;
pub use postgres::PostgresServer;
pub use redis::RedisServer;
pub use state_file::running;
pub use stores::Stores;

/// A secret of 128 bits as 32 hexadecimal digits: safe inside a URL and a configuration file.
fn random_password() -> String {
    format!("{:032x}", rand::random::<u128>())
}
