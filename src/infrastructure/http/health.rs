//! `GET /health/live`, `/health/ready` and `/health`.

use std::time::{Duration, Instant};

use hyper::StatusCode;
use serde::Serialize;
use tokio::sync::Mutex;
use utoipa::ToSchema;

use crate::application::sale::Shop;
use crate::application::shared::StoreError;

use super::answer::{self, Answer};

/// How long a store may take to say that it is there.
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// How long an answer is good for: asking often must not be a burden on the stores.
const GOOD_FOR: Duration = Duration::from_millis(500);

/// Whether the service can serve, found out at most twice a second.
#[derive(Debug)]
pub struct Health {
    started: Instant,
    found: Mutex<Option<(Instant, Services)>>,
}

/// Whether something does what it is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
enum Status {
    Up,
    Down,
}

impl From<bool> for Status {
    fn from(up: bool) -> Self {
        if up { Status::Up } else { Status::Down }
    }
}

/// What the service stands on.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
struct Services {
    app: Status,
    database: Status,
    redis: Status,
    ledger_writer: Status,
}

/// The process runs.
#[derive(Serialize, ToSchema)]
pub struct Alive {
    status: Status,
}

/// Whether the service can serve.
#[derive(Serialize, ToSchema)]
#[schema(as = Health)]
pub struct Body {
    status: Status,
    services_status: Services,
    uptime_seconds: u64,
    version: &'static str,
}

/// The process runs.
pub fn live() -> Answer {
    answer::ok(&Alive { status: Status::Up })
}

impl Health {
    /// Nothing is known yet; the service starts now.
    pub fn new() -> Self {
        Health { started: Instant::now(), found: Mutex::new(None) }
    }

    /// 200 when everything that is needed is there, else 503.
    pub async fn ready(&self, shop: &Shop) -> Answer {
        let services = self.services(shop).await;
        let Services { app, database, redis, ledger_writer } = services;
        let up = [app, database, redis, ledger_writer].iter().all(|status| *status == Status::Up);
        let status = if up { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let body = Body {
            status: up.into(),
            services_status: services,
            uptime_seconds: self.started.elapsed().as_secs(),
            version: env!("CARGO_PKG_VERSION"),
        };
        answer::with_body(status, &body)
    }

    /// Returns the state of everything. One request at a time asks the stores; the others wait for its result.
    async fn services(&self, shop: &Shop) -> Services {
        let mut found = self.found.lock().await;
        let services = match *found {
            Some((at, services)) if at.elapsed() < GOOD_FOR => services,
            _ => {
                let services = Services::look(shop).await;
                *found = Some((Instant::now(), services));
                services
            }
        };
        // Read each time: it costs nothing, and a task may be down for a moment only.
        Services { app: shop.tasks.all_run().into(), ..services }
    }
}

impl Services {
    async fn look(shop: &Shop) -> Self {
        let (database, redis) = tokio::join!(answers(shop.archive.ping()), answers(shop.store.ping()));
        Services { app: Status::Up, database, redis, ledger_writer: is_written(shop).into() }
    }
}

async fn answers(ping: impl Future<Output = Result<(), StoreError>>) -> Status {
    matches!(tokio::time::timeout(PING_TIMEOUT, ping).await, Ok(Ok(()))).into()
}

/// Purchases are decided, and reach PostgreSQL in time.
fn is_written(shop: &Shop) -> bool {
    let in_time = shop.sales.all_live().iter().all(|sale| sale.confirmations.lag() <= shop.settings.lag_limit);
    shop.fence.epoch().is_some() && in_time
}
