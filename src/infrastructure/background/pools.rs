//! Measures the connections to PostgreSQL.

use std::sync::Arc;

use tokio::time::sleep;

use crate::infrastructure::postgres::PgArchive;

use super::CHECK_EVERY;

pub async fn run(archive: Arc<PgArchive>) {
    loop {
        archive.measure_pools();
        sleep(CHECK_EVERY).await;
    }
}
