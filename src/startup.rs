//! The composition root: the only place that knows every part.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::application::ordering::Orders;
use crate::application::payment::Payments;
use crate::application::sale::{Settings, Shop};
use crate::config::{HttpConfig, StoreUrls};
use crate::infrastructure::http::{self, HttpSettings, Surface};
use crate::infrastructure::payment::{PaymentSettings, RootCertificateError};
use crate::infrastructure::postgres::{self, PgArchive};
use crate::infrastructure::redis::{self, RedisStore};
use crate::infrastructure::{accept_queue, background, metrics, open_files, payment};

/// Longest wait for stores that are not up yet when the service starts.
const STORES_PATIENCE: Duration = Duration::from_secs(30);

/// Pause between attempts to reach a store.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// A failure to start the service or to keep it running.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    #[error(transparent)]
    Redis(#[from] redis::ConnectError),
    #[error(transparent)]
    Postgres(#[from] postgres::ConnectError),
    #[error("the schema of the database cannot be read")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    #[error("the database lacks the migration \"{0}\": run `flashsale migrate up`")]
    OldSchema(String),
    #[error(transparent)]
    Invalid(#[from] crate::domain::shared::Invalid),
    #[error("cannot listen on {0}: choose another address, or stop the program that uses it")]
    Listen(std::net::SocketAddr, #[source] std::io::Error),
    #[error(transparent)]
    RootCertificate(#[from] RootCertificateError),
    #[error("a background task has lost its supervisor, so the service stopped: start it again")]
    Unsupervised,
}

/// The sockets on which the service is reached.
#[derive(Debug)]
pub struct Listeners {
    pub shopping: TcpListener,
    /// If present, metrics and administration exist only here.
    pub operations: Option<TcpListener>,
}

impl Listeners {
    /// Binds the configured addresses.
    pub fn bind(http: &HttpConfig) -> Result<Self, ServiceError> {
        let bind = |address| http::bind(address).map_err(|error| ServiceError::Listen(address, error));
        Ok(Listeners { operations: http.ops_listen.map(bind).transpose()?, shopping: bind(http.listen)? })
    }
}

/// A shop that is connected to its stores.
pub struct Service {
    pub shop: Arc<Shop>,
    pub payments: Arc<Payments>,
    archive: Arc<PgArchive>,
    /// The archive for requests.
    requests: Arc<PgArchive>,
}

/// Connects a shop to its stores. It decides nothing until it has recovered.
pub async fn connect(stores: &StoreUrls, settings: Settings) -> Result<Service, ServiceError> {
    let archive = Arc::new(connect_postgres(&stores.postgres, stores.connections).await?);
    if let Some(missing) = archive.migrations().await?.into_iter().find(|step| !step.is_applied) {
        return Err(ServiceError::OldSchema(missing.description));
    }
    let redis = Arc::new(connect_redis(&stores.redis).await?);
    let requests = Arc::new(archive.for_requests());
    let shop = Arc::new(Shop::new(redis, archive.clone(), requests.clone(), settings));
    let orders = Arc::new(Orders::new(requests.clone(), archive.clone(), shop.clone()));
    let payments = payments_through(&PaymentSettings::NONE, &requests, &archive, orders)?;
    Ok(Service { shop, payments, archive, requests })
}

/// Connects to PostgreSQL, and waits for one that is still starting.
pub async fn connect_postgres(url: &str, connections: u32) -> Result<PgArchive, postgres::ConnectError> {
    let deadline = Instant::now() + STORES_PATIENCE;
    loop {
        match PgArchive::connect(url, connections).await {
            Err(postgres::ConnectError::Unreachable(error)) if Instant::now() < deadline => {
                tracing::warn!(%error, "PostgreSQL cannot be reached yet: trying again");
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            result => return result,
        }
    }
}

async fn connect_redis(url: &str) -> Result<RedisStore, redis::ConnectError> {
    let deadline = Instant::now() + STORES_PATIENCE;
    loop {
        match RedisStore::connect(url).await {
            Err(redis::ConnectError::Unreachable(error)) if Instant::now() < deadline => {
                tracing::warn!(%error, "Redis cannot be reached yet: trying again");
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            result => return result,
        }
    }
}

impl Service {
    /// The same service with payments through this provider. Fails if its certificates cannot be read.
    pub fn paid_through(self, settings: &PaymentSettings) -> Result<Self, ServiceError> {
        let payments = payments_through(settings, &self.requests, &self.archive, self.payments.orders.clone())?;
        Ok(Service { payments, ..self })
    }

    /// Serves until `shutdown`. Then it answers the requests in flight, waits for the ledger to be archived, and stops
    /// the background tasks, in this order. It does the same, and fails, if a background task loses its supervisor.
    pub async fn serve(
        self,
        mut http: HttpSettings,
        listeners: Listeners,
        shutdown: CancellationToken,
    ) -> Result<(), ServiceError> {
        let Service { shop, payments, archive, requests: _ } = self;
        http.check(shop.settings.ack_timeout)?;
        (http.connections, http.streams) = open_files::make_room_for(http.connections, http.streams);
        accept_queue::check(http.connections);
        register_metrics();
        let stop_background = CancellationToken::new();
        // A caller that drops this future stops everything, as a crash would.
        let _stopped_with_us = stop_background.clone().drop_guard();
        let background = background::start(&shop, &payments, archive, stop_background);
        let drain_timeout = http.drain_timeout;
        let shutdown = shutdown.child_token();
        let watching = async {
            tokio::select! {
                () = background.failed() => shutdown.cancel(),
                () = shutdown.cancelled() => {}
            }
        };
        tokio::join!(watching, serve_http(&payments, http, listeners, shutdown.clone()));
        if tokio::time::timeout(drain_timeout, drained(&shop)).await.is_err() {
            tracing::warn!("the ledger is not fully archived yet: the next start continues with it");
        }
        background.stop().await;
        if let Err(error) = shop.archive_refusals().await {
            tracing::warn!(%error, "the last counts of refused checkouts are lost");
        }
        if background.has_failed() { Err(ServiceError::Unsupervised) } else { Ok(()) }
    }
}

fn payments_through(
    settings: &PaymentSettings,
    requests: &Arc<PgArchive>,
    archive: &Arc<PgArchive>,
    orders: Arc<Orders>,
) -> Result<Arc<Payments>, ServiceError> {
    Ok(Arc::new(Payments::new(requests.clone(), archive.clone(), settings.provider()?, orders, settings.times())))
}

async fn serve_http(
    payments: &Arc<Payments>,
    settings: HttpSettings,
    listeners: Listeners,
    shutdown: CancellationToken,
) {
    let serve =
        |listener, surface| http::serve(listener, payments.clone(), settings.clone(), surface, shutdown.clone());
    match listeners.operations {
        None => serve(listeners.shopping, Surface::Everything).await,
        Some(operations) => {
            tokio::join!(serve(listeners.shopping, Surface::Shopping), serve(operations, Surface::Operations));
        }
    }
}

/// Registers every metric, so that all series exist from the start.
fn register_metrics() {
    metrics::install();
    background::metrics::register();
    http::register_metrics();
    payment::metrics::register();
    postgres::metrics::register();
    redis::metrics::register();
}

async fn drained(shop: &Shop) {
    while shop.sales.all_live().iter().any(|sale| sale.confirmations.pending() > 0) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
