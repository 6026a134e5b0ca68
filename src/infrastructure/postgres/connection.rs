//! Connections to PostgreSQL.

use std::str::FromStr;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::application::shared::StoreError;
use crate::infrastructure::metrics::StoreErrorKind;

use super::metrics::ERRORS;

/// Longest wait of a request for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(1);

/// Longest wait of a bulk reader for a connection.
const BULK_ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections of the ledger writers, which must never wait for requests.
const WRITER_CONNECTIONS: u32 = 4;

/// Connections of bulk readers.
const BULK_CONNECTIONS: u32 = 2;

/// PostgreSQL, through a pool for requests, one for ledger writers and one for bulk reading.
#[derive(Debug, Clone)]
pub struct PgArchive {
    pub(super) pool: PgPool,
    pub(super) writers: PgPool,
    /// Reads whole sales: for recovery, verification and past sales.
    pub(super) bulk: PgPool,
}

/// A PostgreSQL that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("DATABASE_URL is not a PostgreSQL URL such as postgres://user:password@127.0.0.1/flashsale")]
    Url(#[source] sqlx::Error),
    #[error("PostgreSQL cannot be reached")]
    Unreachable(#[source] sqlx::Error),
    #[error("PostgreSQL runs with fsync off, so it may lose what it has committed: set `fsync = on`")]
    NotDurable,
}

impl PgArchive {
    /// Connects, and refuses a PostgreSQL whose commits are not durable.
    pub async fn connect(url: &str, connections: u32) -> Result<Self, ConnectError> {
        let options = PgConnectOptions::from_str(url).map_err(ConnectError::Url)?.application_name("flashsale");
        // A host that vanishes must not hold its locks for hours.
        let options = options.options([
            ("tcp_keepalives_idle", "10"),
            ("tcp_keepalives_interval", "5"),
            ("tcp_keepalives_count", "3"),
            ("tcp_user_timeout", "25s"),
        ]);
        let reading = options.clone().options([("statement_timeout", "5s"), ("lock_timeout", "2s")]);
        // Statistics about an open sale are stale: a nested loop over an estimate of one row may run over all of them.
        // And a page of purchases must follow its index: to sort means to read all the rest of the sale.
        let bulk = options.clone().options([
            ("statement_timeout", "120s"),
            ("enable_nestloop", "off"),
            ("enable_sort", "off"),
        ]);
        let writing = options.options([
            ("synchronous_commit", "on"),
            ("lock_timeout", "5s"),
            // The arrays of a batch are its data: a new plan for each batch gains nothing.
            ("plan_cache_mode", "force_generic_plan"),
        ]);
        let pool = PgPoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE_TIMEOUT);
        let writers = PgPoolOptions::new()
            .max_connections(WRITER_CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // Writers notice a dead connection by themselves, and try again.
            .test_before_acquire(false);
        let pool = pool.connect_with(reading).await.map_err(ConnectError::Unreachable)?;
        let slow = PgPoolOptions::new().max_connections(BULK_CONNECTIONS).acquire_timeout(BULK_ACQUIRE_TIMEOUT);
        let archive =
            PgArchive { pool, writers: writers.connect_lazy_with(writing), bulk: slow.connect_lazy_with(bulk) };
        let fsync: String =
            sqlx::query_scalar("SHOW fsync").fetch_one(&archive.pool).await.map_err(ConnectError::Unreachable)?;
        if fsync == "on" { Ok(archive) } else { Err(ConnectError::NotDurable) }
    }
}

/// Counts an error of the driver, and classifies it.
pub(super) fn store_error(error: sqlx::Error) -> StoreError {
    let error = match error {
        sqlx::Error::PoolTimedOut => StoreError::Busy("all connections to PostgreSQL are in use"),
        error => StoreError::Unreachable(Box::new(error)),
    };
    ERRORS.of(StoreErrorKind::of(&error)).increment(1);
    error
}
