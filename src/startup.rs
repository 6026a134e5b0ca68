//! Putting the service together: the only place that knows every part.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::application::sale::{Settings, Shop};
use crate::config::{HttpConfig, StoreUrls};
use crate::infrastructure::http::{self, HttpSettings, Surface};
use crate::infrastructure::postgres::{self, PgArchive};
use crate::infrastructure::redis::{self, RedisStore};
use crate::infrastructure::{background, metrics};

/// How long the stores may take to come up when the service starts before they do.
const STORES_PATIENCE: Duration = Duration::from_secs(30);

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
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
    #[error("{0} cannot be listened on")]
    Listen(std::net::SocketAddr, #[source] std::io::Error),
}

/// Where the service is reached.
#[derive(Debug)]
pub struct Listeners {
    pub shopping: TcpListener,
    /// With this, metrics and administration are reached here only.
    pub operations: Option<TcpListener>,
}

impl Listeners {
    /// Binds what is configured.
    pub async fn bind(http: &HttpConfig) -> Result<Self, StartError> {
        let bind = |address| async move {
            TcpListener::bind(address).await.map_err(|error| StartError::Listen(address, error))
        };
        let operations = match http.ops_listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        Ok(Listeners { shopping: bind(http.listen).await?, operations })
    }
}

/// A shop over these stores. It decides nothing until it has recovered.
pub async fn connect(stores: &StoreUrls, settings: Settings) -> Result<Arc<Shop>, StartError> {
    let archive = Arc::new(connect_postgres(stores).await?);
    if let Some(missing) = archive.migrations().await?.into_iter().find(|step| !step.is_applied) {
        return Err(StartError::OldSchema(missing.description));
    }
    tokio::spawn(postgres::measure(Arc::downgrade(&archive)));
    let redis = Arc::new(connect_redis(&stores.redis).await?);
    Ok(Arc::new(Shop::new(redis, archive, settings)))
}

/// PostgreSQL, which may still be starting.
pub async fn connect_postgres(stores: &StoreUrls) -> Result<PgArchive, postgres::ConnectError> {
    let deadline = Instant::now() + STORES_PATIENCE;
    loop {
        match PgArchive::connect(&stores.postgres, stores.connections).await {
            Err(postgres::ConnectError::Unreachable(error)) if Instant::now() < deadline => {
                tracing::warn!(%error, "PostgreSQL cannot be reached yet");
                tokio::time::sleep(Duration::from_secs(1)).await;
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
                tracing::warn!(%error, "Redis cannot be reached yet");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            result => return result,
        }
    }
}

/// Serves until `shutdown`, then in this order: answers what is in flight, waits for the ledger to be archived, and
/// stops what goes on in the background.
pub async fn serve(
    shop: Arc<Shop>,
    http: HttpSettings,
    listeners: Listeners,
    shutdown: CancellationToken,
) -> Result<(), StartError> {
    http.check(shop.settings.ack_timeout)?;
    metrics::install();
    let stop_background = CancellationToken::new();
    // Whoever drops this future half-way stops everything, as a crash would.
    let _stopped_with_us = stop_background.clone().drop_guard();
    let background = background::start(&shop, &stop_background);
    let drain_timeout = http.drain_timeout;
    match listeners.operations {
        None => http::serve(listeners.shopping, shop.clone(), http, Surface::Everything, shutdown).await,
        Some(operations) => {
            let shopping =
                http::serve(listeners.shopping, shop.clone(), http.clone(), Surface::Shopping, shutdown.clone());
            let operations = http::serve(operations, shop.clone(), http, Surface::Operations, shutdown);
            tokio::join!(shopping, operations);
        }
    }
    if tokio::time::timeout(drain_timeout, drained(&shop)).await.is_err() {
        tracing::warn!("not everything in the ledger is archived yet: the next start goes on with it");
    }
    stop_background.cancel();
    background.wait().await;
    if let Err(error) = shop.archive_refusals().await {
        tracing::warn!(%error, "the last counts of refused checkouts are lost");
    }
    Ok(())
}

async fn drained(shop: &Shop) {
    while shop.sales.all_live().iter().any(|sale| sale.confirmations.pending() > 0) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
