//! Chaos: real instances, a Redis with a replica and a PostgreSQL with a standby, and shoppers who remember what they were
//! told. A supervisor breaks something, heals it, waits until selling works again, and at the end compares what the
//! shoppers were told with what the stores hold.
//!
//! | modules | contents |
//! |---|---|
//! | `cli`, `plan`, `run` | the command, its bounds, and one run |
//! | `kind`, `faults` | the kinds of faults, and what each of them does |
//! | `world`, `fleet`, `redis_pair`, `postgres_pair`, `provider`, `store`, `clock` | the processes, and the proxies between them |
//! | `crowd`, `purchase`, `order`, `history`, `claims` | shoppers, what they were told, and the units that they may have |
//! | `recovery` | the wait until selling works again |
//! | `archive`, `verdict`, `orders` | what PostgreSQL and the provider hold, compared with the history |
//! | `report` | the files below the results |

mod archive;
mod claims;
pub mod cli;
mod clock;
mod crowd;
mod faults;
mod fleet;
mod history;
mod kind;
mod order;
mod orders;
mod plan;
mod postgres_pair;
mod provider;
#[path = "../../../tests/it/harness/proxy/mod.rs"]
mod proxy;
mod purchase;
mod recovery;
mod redis_pair;
mod report;
mod run;
mod store;
mod verdict;
mod world;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// An error that ends a run without a verdict, or a fault that did not take effect.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Store(#[from] flashsale::infrastructure::local::Error),
    #[error(transparent)]
    Service(#[from] crate::private_service::Error),
    #[error("Redis: {0}")]
    Redis(#[from] redis::RedisError),
    #[error("PostgreSQL: {0}")]
    Postgres(#[from] sqlx::Error),
    #[error("{0}")]
    Failed(String),
    #[error("the fault did not take effect: {0}")]
    NotFired(String),
    #[error("not within {}: {what}; see the logs in {}", humantime::format_duration(*patience), logs.display())]
    TimedOut { what: String, patience: Duration, logs: PathBuf },
    #[error("interrupted")]
    Interrupted,
}
