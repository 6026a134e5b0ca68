//! What the tests stand on: real stores for each test, the real service on a free port, and a client.

pub mod client;
#[cfg(feature = "otlp")]
pub mod collector;
pub mod listening;
pub mod program;
pub mod prometheus;
pub mod service;
pub mod stores;

use std::future::Future;
use std::time::{Duration, Instant};

/// Waits until something is so, or fails.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so().await {
        assert!(Instant::now() < deadline, "{what}: not within 20 s");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// How often Redis has run a command since it started.
pub async fn commands(world: &service::World, name: &str) -> u64 {
    let mut connection = world.redis_connection().await;
    let stats: String =
        redis::cmd("INFO").arg("commandstats").query_async(&mut connection).await.expect("Redis answers");
    let calls = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:calls=")));
    calls.and_then(|rest| rest.split(',').next()?.parse().ok()).unwrap_or(0)
}
