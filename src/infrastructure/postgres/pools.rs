//! The use of the connections to PostgreSQL.

use sqlx::PgPool;

use super::connection::PgArchive;
use super::metrics::{POOL_CONNECTIONS, POOL_CONNECTIONS_MAX, Pool, PoolState};

impl PgArchive {
    /// Measures the connections of each pool.
    pub fn measure_pools(&self) {
        measure(Pool::Requests, &self.pool);
        measure(Pool::Writers, &self.writers);
        measure(Pool::Bulk, &self.bulk);
    }
}

fn measure(name: Pool, pool: &PgPool) {
    let (size, idle) = (pool.size() as usize, pool.num_idle());
    POOL_CONNECTIONS.of((name, PoolState::Idle)).set(idle as f64);
    POOL_CONNECTIONS.of((name, PoolState::InUse)).set(size.saturating_sub(idle) as f64);
    POOL_CONNECTIONS_MAX.of(name).set(f64::from(pool.options().get_max_connections()));
}
