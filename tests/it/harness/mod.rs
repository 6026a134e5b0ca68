//! The test harness: real stores for each test, the real service on a free port, and a client.

pub mod browser;
pub mod client;
#[cfg(feature = "otlp")]
pub mod collector;
pub mod http_process;
pub mod program;
pub mod prometheus;
pub mod provider;
pub mod proxy;
pub mod replica;
pub mod rooms;
pub mod service;
pub mod stores;
pub mod visitor;
pub mod webhooks;

use std::fmt::Debug;
use std::future::Future;
use std::time::{Duration, Instant};

/// The longest wait for anything. It only bounds a test that fails: a test that passes waits for its condition alone.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until a condition holds, or fails.
pub async fn eventually<F: Future<Output = bool>>(condition: &str, mut holds: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {condition}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Calls until the result is `Ok`. Connections and statements have timeouts that a busy machine may reach.
pub async fn until_ok<T, E: Debug>(mut call: impl AsyncFnMut() -> Result<T, E>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match call().await {
            Ok(value) => return value,
            Err(error) => assert!(Instant::now() < deadline, "still after {PATIENCE:?}: {error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Returns the number of calls of a Redis command since Redis started.
pub async fn commands(world: &service::World, name: &str) -> u64 {
    let mut connection = world.redis_connection().await;
    let stats: String =
        redis::cmd("INFO").arg("commandstats").query_async(&mut connection).await.expect("Redis answers");
    let calls = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:calls=")));
    calls.and_then(|rest| rest.split(',').next()?.parse().ok()).unwrap_or(0)
}
