//! The service, its stores, and what watches them: all of it real.

use std::process::Command;

use flashsale::infrastructure::postgres::PgArchive;
use sqlx::PgPool;

use crate::harness::client::Client;
use crate::harness::eventually;
use crate::harness::listening::Listening;
use crate::harness::prometheus::Prometheus;
use crate::harness::stores::{Postgres, Redis};
use crate::program::program;

/// Two instances, and everything that belongs to them.
pub struct Watched {
    pub prometheus: Prometheus,
    pub instances: [Listening; 2],
    pub redis: Redis,
    pub postgres: Postgres,
    _exporters: [Listening; 2],
}

impl Watched {
    /// Starts it all, and waits until a sale of so many items is open.
    pub async fn start(items: u32) -> Self {
        let (redis, postgres) = (Redis::start(), Postgres::start());
        let archive = PgArchive::connect(&postgres.server.url(), 2).await.expect("PostgreSQL answers");
        archive.migrate_up().await.expect("migrations run");
        let instances = [instance(&redis, &postgres, items).await, instance(&redis, &postgres, items).await];
        for instance in &instances {
            eventually("a sale is open", || async { instance.client.get("/sales/active").await.status == 200 }).await;
        }
        let exporters = [redis_exporter(&redis).await, postgres_exporter(&postgres).await];
        let address = |of: &Listening| of.address.clone();
        let targets = [
            ("flashsale", instances.iter().map(address).collect()),
            ("redis", vec![address(&exporters[0])]),
            ("postgres", vec![address(&exporters[1])]),
        ];
        let prometheus = Prometheus::watching(&targets).await;
        Watched { prometheus, instances, redis, postgres, _exporters: exporters }
    }

    /// A shopper's way to the first instance.
    pub fn client(&self) -> &Client {
        &self.instances[0].client
    }

    /// The id of the sale that is on.
    pub async fn sale(&self) -> String {
        let active = self.client().get("/sales/active").await.expect(200).json();
        active["id"].as_str().expect("a sale has an id").to_owned()
    }

    /// A way into PostgreSQL behind the back of the service.
    pub async fn database(&self) -> PgPool {
        PgPool::connect(&self.postgres.server.url()).await.expect("PostgreSQL answers")
    }
}

async fn instance(redis: &Redis, postgres: &Postgres, items: u32) -> Listening {
    // The process holds on to nothing in it.
    let dir = tempfile::tempdir().expect("a directory is made");
    Listening::start("/health/ready", |address| {
        let mut command = program(dir.path());
        command.args(["serve", "--listen", address, "--database-url", &postgres.server.url()]);
        command.args(["--redis-url", &redis.url(), "--sale-items", &items.to_string(), "--ack-timeout", "1s"]);
        command
    })
    .await
}

async fn redis_exporter(redis: &Redis) -> Listening {
    Listening::start("/health", |address| {
        let mut command = Command::new("prometheus-redis-exporter");
        command.args(["-redis.addr", &redis.url(), "-include-system-metrics", "-web.listen-address", address]);
        command
    })
    .await
}

async fn postgres_exporter(postgres: &Postgres) -> Listening {
    Listening::start("/", |address| {
        let mut command = Command::new("prometheus-postgres-exporter");
        command.env("DATA_SOURCE_NAME", format!("{}?sslmode=disable", postgres.server.url()));
        command.args(["--web.listen-address", address]);
        command
    })
    .await
}
