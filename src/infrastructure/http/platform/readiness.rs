//! Readiness: the state of everything that the service needs.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::application::sale::Shop;
use crate::application::shared::StoreError;

/// Longest wait for the answer of a store to a ping.
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// Age up to which a result is used again, so that frequent checks do not load the stores.
const GOOD_FOR: Duration = Duration::from_millis(500);

/// Checks the stores, at most twice a second.
#[derive(Debug)]
pub struct Readiness {
    started: Instant,
    last: Mutex<Option<(Instant, Services)>>,
}

/// The services that are up.
#[derive(Debug, Clone, Copy)]
pub struct Services {
    pub app: bool,
    pub database: bool,
    pub redis: bool,
    pub ledger_writer: bool,
}

impl Readiness {
    /// A service that starts now and has not checked anything yet.
    pub fn new() -> Self {
        Readiness { started: Instant::now(), last: Mutex::new(None) }
    }

    /// Returns the time since the start.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Checks all services, or returns the last result. Concurrent callers share one check.
    pub async fn check(&self, shop: &Shop) -> Services {
        let mut last = self.last.lock().await;
        let services = match *last {
            Some((at, services)) if at.elapsed() < GOOD_FOR => services,
            _ => {
                let services = Services::check(shop).await;
                *last = Some((Instant::now(), services));
                services
            }
        };
        // Read each time: it costs nothing, and a task may be down for a moment only.
        Services { app: shop.tasks.all_run() && shop.clock.is_trusted(), ..services }
    }
}

impl Services {
    /// Returns true if the service can serve.
    pub fn are_up(self) -> bool {
        self.app && self.database && self.redis && self.ledger_writer
    }

    async fn check(shop: &Shop) -> Self {
        let (database, redis) = tokio::join!(is_up(shop.archive.ping()), is_up(shop.store.ping()));
        Services { app: true, database, redis, ledger_writer: ledger_is_written(shop) }
    }
}

async fn is_up(ping: impl Future<Output = Result<(), StoreError>>) -> bool {
    matches!(tokio::time::timeout(PING_TIMEOUT, ping).await, Ok(Ok(())))
}

/// Returns true if purchases in the current sale are decided, and those of all sales reach PostgreSQL in time.
fn ledger_is_written(shop: &Shop) -> bool {
    let in_time = shop.sales.all_live().iter().all(|sale| sale.confirmations.lag() <= shop.settings.lag_limit);
    shop.current_sale().is_ok_and(|sale| sale.fence.epoch().is_some()) && in_time
}
