//! The connection of the service with PostgreSQL.

use std::str::FromStr;
use std::sync::Arc;

use sqlx::postgres::PgConnectOptions;

use super::pool::Pool;
use super::pools::Pools;
use super::statement::Statement;

/// PostgreSQL, as one kind of work sees it: see [`PgArchive::for_requests`].
#[derive(Debug, Clone)]
pub struct PgArchive {
    pools: Arc<Pools>,
    pub(super) pool: Pool,
    pub(super) writers: Pool,
    /// Reads whole sales.
    pub(super) bulk: Pool,
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
    /// Connects, for the work that keeps sales going, and refuses a PostgreSQL whose commits are not durable. Requests
    /// may use this many connections.
    pub async fn connect(url: &str, connections: u32) -> Result<Self, ConnectError> {
        let options = PgConnectOptions::from_str(url).map_err(ConnectError::Url)?;
        let pools = Arc::new(Pools::new(options, connections as usize));
        let (pool, writers, bulk) = (pools.control.clone(), pools.writers.clone(), pools.bulk.clone());
        let fsync = sqlx::query_scalar::<_, String>("SHOW fsync").fetch_one(&pool);
        let fsync = Statement::ShowFsync.time(fsync).await.map_err(ConnectError::Unreachable)?;
        if fsync != "on" {
            return Err(ConnectError::NotDurable);
        }
        Ok(PgArchive { pools, pool, writers, bulk })
    }

    /// Returns the same for requests that only read. However many there are, they use up no connection of other work.
    pub fn for_requests(&self) -> Self {
        PgArchive { pool: self.pools.requests.clone(), bulk: self.pools.past.clone(), ..self.clone() }
    }

    /// Measures the connections of each pool.
    pub fn measure_pools(&self) {
        self.pools.measure();
    }
}
