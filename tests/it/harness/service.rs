//! The real service, in this process, over stores that belong to the test.

use std::sync::Arc;
use std::time::Duration;

use flashsale::application::sale::verify::Findings;
use flashsale::application::sale::{Settings, Shop};
use flashsale::config::StoreUrls;
use flashsale::domain::shared::Epoch;
use flashsale::infrastructure::http::HttpSettings;
use flashsale::infrastructure::telemetry::{self, LogFormat};
use flashsale::startup::{self, Listeners};
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::eventually;
use super::stores::{self, Redis};

/// Stores that instances share.
pub struct World {
    pub redis: Redis,
    pub database_url: String,
    pub database: PgPool,
    pub settings: Settings,
    pub http: HttpSettings,
}

/// One instance.
pub struct Instance {
    pub client: Client,
    pub shop: Arc<Shop>,
    pub shutdown: CancellationToken,
    served: JoinHandle<()>,
}

impl World {
    /// Empty stores, and hourly sales of 100 items.
    pub async fn new() -> Self {
        Self::over(stores::database().await).await
    }

    /// The same over a migrated database.
    pub async fn over(database_url: String) -> Self {
        // `LOG=flashsale=debug cargo test -- --nocapture` shows what the service says.
        if let Ok(filter) = std::env::var("LOG") {
            telemetry::init(&filter, LogFormat::Text, None).expect("the filter is right");
        }
        let database = PgPool::connect(&database_url).await.expect("PostgreSQL answers");
        let settings = Settings {
            sale_every: Duration::from_secs(3600),
            sale_lead: Duration::from_secs(60),
            sale_items: 100,
            user_limit: 10,
            ack_timeout: Duration::from_secs(5),
            lag_limit: Duration::from_secs(2),
        };
        World { redis: Redis::start(), database_url, database, settings, http: HttpSettings::default() }
    }

    /// The same with a change.
    pub fn with(mut self, change: impl FnOnce(&mut World)) -> Self {
        change(&mut self);
        self
    }

    /// An instance that is ready to sell.
    pub async fn start(&self) -> Instance {
        let instance = self.start_at_once().await;
        eventually("a sale is open", || async { instance.shop.current_sale().is_ok() }).await;
        instance
    }

    /// An instance that may not be ready yet.
    pub async fn start_at_once(&self) -> Instance {
        let urls = StoreUrls { postgres: self.database_url.clone(), redis: self.redis.url(), connections: 8 };
        let service = startup::connect(&urls, self.settings.clone()).await.expect("the stores can be used");
        let shop = service.shop.clone();
        let shopping = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let client = Client::new(format!("http://{}", shopping.local_addr().expect("it is bound")));
        let (shutdown, http) = (CancellationToken::new(), self.http.clone());
        let token = shutdown.clone();
        let listeners = Listeners { shopping, operations: None };
        let served = tokio::spawn(async move {
            service.serve(http, listeners, token).await.expect("the settings go together");
        });
        Instance { client, shop, shutdown, served }
    }

    /// A connection to the Redis of the test.
    pub async fn redis_connection(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.redis.url()).expect("the URL is right");
        client.get_multiplexed_async_connection().await.expect("Redis answers")
    }

    /// A number that a query gives.
    pub async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.database).await.expect("the query is right")
    }
}

impl Instance {
    /// The id of the sale that is on.
    pub fn sale(&self) -> String {
        self.shop.current_sale().expect("a sale is on").id().to_string()
    }

    /// The id of an item of the sale that is on.
    pub fn item(&self, number: u32) -> String {
        format!("{}-{number:05}", self.sale())
    }

    pub fn epoch(&self) -> Option<Epoch> {
        self.shop.fence.epoch()
    }

    /// What verification says of the sale that is on.
    pub async fn verify(&self) -> Findings {
        let sale = self.shop.current_sale().expect("a sale is on").sale();
        self.shop.verify(&sale).await.expect("the stores answer")
    }

    /// Fails unless exactly so many units are sold and every invariant holds.
    #[track_caller]
    pub fn assert_sound(&self, sold: u64) -> impl Future<Output = ()> + '_ {
        let caller = std::panic::Location::caller();
        async move {
            let findings = self.verify().await;
            assert!(findings.is_sound() && findings.sold == sold, "{findings} instead of sold={sold} at {caller}");
        }
    }

    /// Stops it as SIGTERM does.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.served.await.expect("it stops in good order");
    }

    /// Stops it as SIGKILL does: nothing is answered, drained or told any more.
    pub async fn kill(self) {
        self.served.abort();
        let _aborted = self.served.await;
    }
}
