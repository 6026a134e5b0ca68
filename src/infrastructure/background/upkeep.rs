//! Sorts measurements into buckets, which frees the memory that they take until then.

use std::time::Duration;

use tokio::time::sleep;

use crate::infrastructure::metrics;

use super::supervisor::Supervisor;

/// Interval between runs.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

pub async fn run(supervisor: Supervisor) {
    loop {
        sleep(UPKEEP_EVERY).await;
        supervisor.run_blocking(metrics::run_upkeep).await;
    }
}
