//! The database of the provider.

use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgPool};

/// Connections to PostgreSQL.
const CONNECTIONS: u32 = 16;

/// Time for which an idle connection is trusted without a check.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// Longest wait for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// A database that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("the database URL is not one of PostgreSQL, such as postgres://user:password@127.0.0.1/provider")]
    Url(#[source] sqlx::Error),
    #[error("PostgreSQL cannot be reached")]
    Unreachable(#[source] sqlx::Error),
    #[error("the tables of the provider cannot be created")]
    Migrate(#[from] MigrateError),
}

/// Connects, and creates the tables if they are missing.
pub async fn connect(url: &str) -> Result<PgPool, ConnectError> {
    // A commit is on disk before it is answered, and no statement waits longer than a caller does.
    let settings = [("synchronous_commit", "on"), ("statement_timeout", "5s"), ("lock_timeout", "5s")];
    let options = PgConnectOptions::from_str(url).map_err(ConnectError::Url)?.options(settings);
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(ACQUIRE_TIMEOUT);
    let pool = pool.test_before_acquire(false).before_acquire(|connection, idle| {
        Box::pin(async move { Ok(idle.idle_for < TRUSTED_FOR || connection.ping().await.is_ok()) })
    });
    let pool = pool.connect_with(options).await.map_err(ConnectError::Unreachable)?;
    let mut migrator = sqlx::migrate!("migrations/provider");
    migrator.create_schema("provider");
    migrator.dangerous_set_table_name("provider._sqlx_migrations");
    migrator.run(&pool).await?;
    Ok(pool)
}
