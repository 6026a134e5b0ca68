//! `loadtest bench`: peak throughput and its cost, against a private service on this machine.
//!
//! | modules | contents |
//! |---|---|
//! | `cli`, `plan`, `run` | the command, the sizes of a bench, and its course |
//! | `row`, `loads`, `shopping` | the rows that are measured by connections, and their requests |
//! | `sell_out`, `expiry`, `opening`, `recovery`, `memory`, `burst`, `hostile` | the other rows, one each |
//! | `growth` | the cost of a request with more items, sales, instances and connections |
//! | `flood`, `open_loop` | several times the capacity, and what is still sold |
//! | `engine`, `connection`, `requests`, `traffic` | the client |
//! | `shop`, `services`, `items`, `processes`, `redis_server` | the service and what is measured of it |
//! | `reference`, `bare_server` | the bare hyper server to which the service is compared |
//! | `results`, `table`, `page` | the results as JSON, as a table and as a page with plots |

pub mod bare_server;
mod burst;
pub mod cli;
mod connection;
mod engine;
mod expiry;
mod flood;
mod growth;
mod hostile;
mod items;
mod loads;
mod memory;
mod open_loop;
mod opening;
mod page;
mod plan;
pub mod processes;
mod recovery;
mod redis_server;
mod reference;
mod requests;
mod results;
mod row;
mod run;
mod sell_out;
mod services;
mod shop;
mod shopping;
mod table;
mod traffic;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::private_service;

/// An error that ends a row, or the whole bench.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Private(#[from] private_service::Error),
    #[error("Redis: {0}")]
    Redis(#[from] redis::RedisError),
    #[error("PostgreSQL: {0}")]
    Postgres(#[from] sqlx::Error),
    #[error("an unexpected response: {0}")]
    Unexpected(String),
    #[error("no response within {0:?} after the end of a load")]
    Silent(Duration),
    #[error("timed out before {what}: see the log of the service, {}", log.display())]
    TimedOut { what: &'static str, log: PathBuf },
    #[error("`flashsale verify` did not run: {0}")]
    Verify(String),
    #[error("the service is not running")]
    NotRunning,
    #[error("interrupted")]
    Interrupted,
    #[error(transparent)]
    Io(#[from] io::Error),
}
