//! The real service, in this process, over stores that belong to the test.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use flashsale::application::admission::RoomSettings;
use flashsale::application::sale::findings::Findings;
use flashsale::application::sale::pace::Pace;
use flashsale::application::sale::{Settings, Shop};
use flashsale::config::StoreUrls;
use flashsale::domain::sale::Window;
use flashsale::domain::shared::{Epoch, LedgerId, SaleId};
use flashsale::infrastructure::http::HttpSettings;
use flashsale::infrastructure::payment::PaymentSettings;
use flashsale::infrastructure::telemetry::{self, LogFormat};
use flashsale::startup::{self, Listeners};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::stores::{self, Redis};
use super::{PATIENCE, eventually, until_ok};

/// Stores that instances share, and the settings of new instances.
pub struct World {
    pub redis: Redis,
    /// The addresses that new instances connect to, with the rights that the service needs.
    pub redis_url: String,
    pub database_url: String,
    /// Connections of the test itself, which may do everything.
    pub database: PgPool,
    pub settings: Settings,
    pub http: HttpSettings,
    pub payment: PaymentSettings,
    pub rooms: RoomSettings,
}

/// One instance of the service.
pub struct Instance {
    pub client: Client,
    pub shop: Arc<Shop>,
    pub shutdown: CancellationToken,
    server: JoinHandle<()>,
}

impl World {
    /// Empty stores, and sales of 100 items.
    pub async fn new() -> Self {
        Self::over(stores::database().await).await
    }

    /// The same over a migrated database. The instances get no right but those that the service needs.
    ///
    /// No sale ends during the test, and the timeouts are so long that a busy machine does not reach them.
    pub async fn over(database_url: String) -> Self {
        // `LOG=flashsale=debug cargo test -- --nocapture` shows the log of the service.
        if let Ok(filter) = std::env::var("LOG") {
            telemetry::init(&filter, LogFormat::Text, None).expect("the filter is valid");
        }
        let pool = PgPoolOptions::new().acquire_timeout(PATIENCE);
        let database = pool.connect(&database_url).await.expect("PostgreSQL answers");
        let settings = Settings {
            sale_every: long_period(),
            sale_lead: Duration::from_secs(60),
            sale_items: 100,
            user_limit: 10,
            payment_window: None,
            waiting_room: false,
            ack_timeout: Duration::from_secs(60),
            cart_idle: Duration::MAX,
            lag_limit: Duration::from_secs(60),
        };
        let http = HttpSettings {
            request_timeout: Duration::from_secs(90),
            head_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(600),
            drain_timeout: Duration::from_secs(60),
            ..HttpSettings::default()
        };
        let (redis, rooms) = (Redis::start(), RoomSettings::default());
        let (redis_url, database_url) = (redis.service_url(), stores::service_url(&database_url));
        World { redis, redis_url, database_url, database, settings, http, payment: PaymentSettings::NONE, rooms }
    }

    /// The same with a change.
    pub fn with(mut self, change: impl FnOnce(&mut World)) -> Self {
        change(&mut self);
        self
    }

    /// Starts an instance, and waits until it sells.
    pub async fn start(&self) -> Instance {
        let instance = self.launch().await;
        eventually("a sale is open", || async { instance.shop.current_sale().is_ok() }).await;
        instance
    }

    /// Starts an instance without waiting until it sells.
    pub async fn launch(&self) -> Instance {
        let urls = StoreUrls { postgres: self.database_url.clone(), redis: self.redis_url.clone(), connections: 8 };
        let service = until_ok(async || startup::connect(&urls, self.settings.clone()).await).await;
        let shop = service.shop.clone();
        let shopping = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = shopping.local_addr().expect("a listener has an address");
        let client = Client::new(format!("http://{address}"));
        let (shutdown, http) = (CancellationToken::new(), self.http.clone());
        let token = shutdown.clone();
        let listeners = Listeners { shopping, operations: None };
        let (payment, rooms) = (self.payment.clone(), self.rooms);
        let http = http.told_with(payment.webhook_secret.clone());
        let server = tokio::spawn(async move {
            let service = service.paid_through(&payment).expect("its certificates can be read").admitting(rooms);
            service.serve(http, listeners, token).await.expect("the settings are valid");
        });
        Instance { client, shop, shutdown, server }
    }

    /// A connection to the Redis of the test.
    pub async fn redis_connection(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.redis.url()).expect("the URL is valid");
        let config = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        client.get_multiplexed_async_connection_with_config(&config).await.expect("Redis answers")
    }

    /// Runs a Redis command, and returns its reply.
    pub async fn query_redis<Reply: redis::FromRedisValue>(&self, words: &[&str]) -> Reply {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut self.redis_connection().await).await.expect("Redis answers")
    }

    /// Runs a Redis command whose reply does not matter.
    pub async fn run_in_redis(&self, words: &[&str]) {
        let _reply: redis::Value = self.query_redis(words).await;
    }

    /// Appends an entry to the ledger of a sale, as no script does, and returns its id. The text of a purchase
    /// begins with that id.
    pub async fn append_to_ledger(&self, sale: &str, event: &str, text: &str) -> String {
        const APPEND: &str = "local last = redis.call('HGET', KEYS[1], 'last_id')
            local ms, number = string.match(last, '^(%d+)%-(%d+)$')
            local id = ms .. '-' .. number + 1
            local text = ARGV[1] == 'sold' and id .. ' ' .. ARGV[2] or ARGV[2]
            redis.call('XADD', KEYS[2], id, ARGV[1], text)
            redis.call('HSET', KEYS[1], 'last_id', id)
            return id";
        let (header, ledger) = (format!("{{{sale}}}:header"), format!("{{{sale}}}:ledger"));
        self.query_redis(&["EVAL", APPEND, "2", &header, &ledger, event, text]).await
    }

    /// Returns the number that a query selects.
    pub async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.database).await.expect("the query is valid")
    }

    /// Holds back every commit of a purchase until the transaction is dropped or rolled back.
    pub async fn hold_commits(&self) -> sqlx::Transaction<'static, sqlx::Postgres> {
        self.lock("LOCK TABLE purchases IN EXCLUSIVE MODE").await
    }

    /// Runs a statement that takes locks, and keeps them until the transaction is dropped or rolled back.
    pub async fn lock(&self, statement: &'static str) -> sqlx::Transaction<'static, sqlx::Postgres> {
        let mut transaction = self.database.begin().await.expect("PostgreSQL answers");
        sqlx::query(statement).execute(&mut *transaction).await.expect("the lock is granted");
        transaction
    }
}

impl Instance {
    /// The id of the current sale.
    pub fn sale(&self) -> String {
        self.shop.current_sale().expect("a sale is open").id().to_string()
    }

    /// The id of an item of the current sale.
    pub fn item(&self, number: u32) -> String {
        format!("{}-{number:05}", self.sale())
    }

    /// The Redis key of a part of the current sale.
    pub fn key(&self, part: &str) -> String {
        format!("{{{}}}:{part}", self.sale())
    }

    /// Waits until another sale than this one is the current sale.
    pub async fn next_sale(&self, sale: &str) {
        let is_other = |current: SaleId| current.to_string() != sale;
        let is_on = || async { self.shop.current_sale().is_ok_and(|current| is_other(current.id())) };
        eventually("the next sale is open", is_on).await;
    }

    /// Waits until everything in the ledger of the current sale is archived.
    pub async fn archived(&self) {
        let sale = self.shop.current_sale().expect("a sale is open");
        let is_archived = || sale.confirmations.persisted() > LedgerId::ZERO && sale.confirmations.pending() == 0;
        eventually("the ledger is archived", || std::future::ready(is_archived())).await;
    }

    /// Waits until a sale that was live on this instance is closed.
    pub async fn closed(&self, sale: &str) {
        let id: SaleId = sale.parse().expect("a sale id");
        eventually("the sale is closed", || async { self.shop.sales.live(id).is_none() }).await;
    }

    pub fn epoch(&self) -> Option<Epoch> {
        self.shop.current_sale().ok().and_then(|sale| sale.fence.epoch())
    }

    /// Verifies the current sale.
    pub async fn verify(&self) -> Findings {
        let sale = self.shop.current_sale().expect("a sale is open").sale();
        until_ok(async || self.shop.verify(&sale, &mut Pace::without_pauses()).await).await
    }

    /// Fails unless exactly this number of units is sold and every invariant holds.
    #[track_caller]
    pub fn assert_sound(&self, sold: u64) -> impl Future<Output = ()> + '_ {
        let caller = std::panic::Location::caller();
        async move {
            let findings = self.verify().await;
            assert!(findings.is_sound() && findings.sold == sold, "{findings} instead of sold={sold} at {caller}");
        }
    }

    /// Stops the instance as SIGTERM does.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.server.await.expect("the instance stops without a panic");
    }

    /// Stops the instance as SIGKILL does: it answers, drains and announces nothing more.
    pub async fn kill(self) {
        self.server.abort();
        let _aborted = self.server.await;
        let is_only_owner = || std::future::ready(Arc::strong_count(&self.shop) == 1);
        eventually("all tasks of the instance have ended", is_only_owner).await;
    }
}

/// Returns a period that lasts for at least another hour.
pub fn long_period() -> Duration {
    let hours = |hours: u64| Duration::from_secs(hours * 3_600);
    (24..).map(hours).find(|period| time_left(*period) > hours(1)).expect("the periods end at different times")
}

/// Returns a period that ends within seconds. The next one lasts for at least a minute, so that the test meets one
/// boundary between sales, even on a slow machine.
pub fn ending_period() -> Duration {
    let ends_soon = |period: &Duration| (2..4).contains(&time_left(*period).as_secs());
    (60..).map(Duration::from_secs).find(ends_soon).expect("the periods end at different times")
}

fn time_left(period: Duration) -> Duration {
    let now = Utc::now();
    (Window::containing(now, period).ends_at - now).to_std().unwrap_or_default()
}
