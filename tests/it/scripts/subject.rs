//! The stores that decide, as the tests of their contract see them.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use flashsale::application::sale::memory::MemoryStore;
use flashsale::application::sale::ports::{ScanPosition, Store};
use flashsale::domain::sale::{Holdings, Window};
use flashsale::domain::shared::SaleId;
use flashsale::infrastructure::redis::RedisStore;
use redis::aio::MultiplexedConnection;

use crate::harness::stores::Redis;

/// A store that belongs to one test, and what the test does to it behind its back.
#[async_trait]
pub trait Subject: Send + Sync {
    fn store(&self) -> &dyn Store;

    /// Moves the window of a sale.
    async fn set_window(&self, sale: SaleId, window: Window);

    /// Deletes all data; the scripts stay.
    async fn forget(&self);

    /// Deletes all scripts; the data stay.
    async fn forget_scripts(&self);

    /// Appends an attempt that cannot be read.
    async fn append_unreadable_attempt(&self, sale: SaleId);
}

/// Reads everything that a store holds, page by page.
pub async fn holdings(store: &dyn Store, sale: SaleId) -> Holdings {
    let (mut holdings, mut next) = (Holdings::default(), Some(ScanPosition::default()));
    while let Some(position) = next {
        let page = store.scan(sale, position).await.expect("the store answers");
        assert_eq!(page.unreadable, 0);
        holdings.extend(page.holdings);
        next = page.next;
    }
    holdings
}

/// Redis with the scripts.
pub struct RedisSubject {
    store: RedisStore,
    admin: MultiplexedConnection,
    _redis: Redis,
}

impl RedisSubject {
    pub async fn start() -> Self {
        let redis = Redis::start();
        let store = RedisStore::connect(&redis.service_url()).await.expect("Redis answers");
        let client = redis::Client::open(redis.url()).expect("the URL is right");
        let admin = client.get_multiplexed_async_connection().await.expect("Redis answers");
        RedisSubject { store, admin, _redis: redis }
    }

    async fn command(&self, command: &redis::Cmd) {
        let _: redis::Value = command.query_async(&mut self.admin.clone()).await.expect("Redis obeys");
    }
}

#[async_trait]
impl Subject for RedisSubject {
    fn store(&self) -> &dyn Store {
        &self.store
    }

    async fn set_window(&self, sale: SaleId, window: Window) {
        let ms = |time: DateTime<Utc>| time.timestamp_millis();
        let mut command = redis::cmd("HSET");
        command.arg(format!("{{{sale}}}:header"));
        command.arg(&[("starts_at_ms", ms(window.starts_at)), ("ends_at_ms", ms(window.ends_at))]);
        self.command(&command).await;
    }

    async fn forget(&self) {
        self.command(&redis::cmd("FLUSHALL")).await;
    }

    async fn forget_scripts(&self) {
        self.command(redis::cmd("SCRIPT").arg("FLUSH")).await;
    }

    async fn append_unreadable_attempt(&self, sale: SaleId) {
        self.command(redis::cmd("XADD").arg(format!("{{{sale}}}:attempts")).arg(&["*", "nonsense", ""])).await;
    }
}

/// The store in memory.
pub struct MemorySubject {
    store: MemoryStore,
}

impl MemorySubject {
    pub fn start() -> Self {
        MemorySubject { store: MemoryStore::new(Utc::now()) }
    }
}

#[async_trait]
impl Subject for MemorySubject {
    fn store(&self) -> &dyn Store {
        &self.store
    }

    async fn set_window(&self, sale: SaleId, window: Window) {
        self.store.set_window(sale, window);
    }

    async fn forget(&self) {
        self.store.forget();
    }

    async fn forget_scripts(&self) {
        self.store.forget_scripts();
    }

    async fn append_unreadable_attempt(&self, sale: SaleId) {
        self.store.append_unreadable_attempt(sale);
    }
}
