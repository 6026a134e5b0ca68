//! How the connections to PostgreSQL are used.

use std::sync::Weak;
use std::time::Duration;

use sqlx::PgPool;

use crate::infrastructure::metrics::{self, Pool};

use super::connection::PgArchive;

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Measures the pools for as long as there are any.
pub async fn measure(archive: Weak<PgArchive>) {
    while let Some(archive) = archive.upgrade() {
        look_at(Pool::Requests, &archive.pool);
        look_at(Pool::Writers, &archive.writers);
        look_at(Pool::Bulk, &archive.bulk);
        drop(archive);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn look_at(name: Pool, pool: &PgPool) {
    let (size, idle) = (pool.size() as usize, pool.num_idle());
    metrics::postgres_pool(name, idle, size.saturating_sub(idle), pool.options().get_max_connections());
}
