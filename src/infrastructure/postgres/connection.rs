//! The connection of the service with PostgreSQL.

use std::str::FromStr;
use std::sync::Arc;

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::pool::Pool;
use super::pools::Pools;
use super::requirements::{self, ConnectError};

/// PostgreSQL, as one kind of work sees it: see [`PgArchive::for_requests`].
#[derive(Debug, Clone)]
pub struct PgArchive {
    pools: Arc<Pools>,
    pub(super) pool: Pool,
    pub(super) writers: Pool,
    /// Reads whole sales.
    pub(super) bulk: Pool,
}

impl PgArchive {
    /// Connects, for the work that keeps sales going, and refuses a PostgreSQL that is too old or whose commits are not
    /// durable. Requests may use this many connections.
    pub async fn connect(url: &str, connections: u32) -> Result<Self, ConnectError> {
        let options = options(url)?;
        let pools = Arc::new(Pools::new(options, connections as usize));
        let (pool, writers, bulk) = (pools.control.clone(), pools.writers.clone(), pools.bulk.clone());
        requirements::check(&pool).await?;
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

/// Reads a URL. The driver would accept any scheme, and ignore a certificate to trust where its `sslmode` checks none.
fn options(url: &str) -> Result<PgConnectOptions, ConnectError> {
    if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err(ConnectError::Url(sqlx::Error::Configuration("it has another scheme".into())));
    }
    let options = PgConnectOptions::from_str(url).map_err(ConnectError::Url)?;
    let names_root = options.to_url_lossy().query_pairs().any(|(name, _)| name == "sslrootcert");
    match options.get_ssl_mode() {
        PgSslMode::VerifyCa | PgSslMode::VerifyFull => Ok(options),
        _ if names_root => Err(ConnectError::Unverified),
        _ => Ok(options),
    }
}
