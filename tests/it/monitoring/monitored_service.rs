//! The real service with its stores, its exporters and a Prometheus.

use std::process::Command;

use sqlx::PgPool;

use crate::harness::client::Client;
use crate::harness::eventually;
use crate::harness::http_process::HttpProcess;
use crate::harness::prometheus::Prometheus;
use crate::harness::provider::{PROVIDER_KEY, Provider, WEBHOOK_SECRET};
use crate::harness::service::long_period;
use crate::harness::stores::{Postgres, Redis, migrate};
use crate::program::program;

/// Two instances with their stores, payment provider, exporters and Prometheus.
pub struct MonitoredService {
    pub prometheus: Prometheus,
    pub instances: [HttpProcess; 2],
    pub redis: Redis,
    pub postgres: Postgres,
    _provider: Provider,
    _exporters: [HttpProcess; 2],
}

impl MonitoredService {
    /// Starts all processes, and waits until a sale of this number of items is open.
    pub async fn start(items: u32) -> Self {
        let (redis, postgres) = (Redis::start(), Postgres::start());
        migrate(&postgres.server.url()).await;
        let provider = Provider::start(&postgres.server.url(), &[]).await;
        let start = async || instance(&redis, &postgres, &provider, items).await;
        let instances = [start().await, start().await];
        for instance in &instances {
            eventually("a sale is open", || async { instance.client.get("/sales/active").await.status == 200 }).await;
        }
        let exporters = [redis_exporter(&redis).await, postgres_exporter(&postgres).await];
        let address = |of: &HttpProcess| of.address.clone();
        let targets = [
            ("flashsale", instances.iter().map(address).collect()),
            ("redis", vec![address(&exporters[0])]),
            ("postgres", vec![address(&exporters[1])]),
        ];
        let prometheus = Prometheus::start(&targets).await;
        MonitoredService { prometheus, instances, redis, postgres, _provider: provider, _exporters: exporters }
    }

    /// A client of the first instance.
    pub fn client(&self) -> &Client {
        &self.instances[0].client
    }

    /// Returns the id of the current sale.
    pub async fn sale(&self) -> String {
        let active = self.client().get("/sales/active").await.expect(200).json();
        active["id"].as_str().expect("a sale has an id").to_owned()
    }

    /// Opens connections to PostgreSQL.
    pub async fn database(&self) -> PgPool {
        PgPool::connect(&self.postgres.server.url()).await.expect("PostgreSQL answers")
    }
}

async fn instance(redis: &Redis, postgres: &Postgres, provider: &Provider, items: u32) -> HttpProcess {
    // The process writes nothing to it.
    let dir = tempfile::tempdir().expect("a directory is created");
    HttpProcess::start("/health/ready", |address| {
        let mut command = program(dir.path());
        command.args(["serve", "--listen", address, "--database-url", &postgres.server.url()]);
        command.args(["--redis-url", &redis.url(), "--sale-items", &items.to_string(), "--ack-timeout", "1s"]);
        command.args(["--sale-every", &format!("{}s", long_period().as_secs()), "--payment-window", "1h"]);
        command.env("PAYMENT_PROVIDER_URL", provider.program.client.base());
        command.env("PAYMENT_PROVIDER_KEY", PROVIDER_KEY).env("PAYMENT_WEBHOOK_SECRET", WEBHOOK_SECRET);
        command
    })
    .await
}

async fn redis_exporter(redis: &Redis) -> HttpProcess {
    HttpProcess::start("/health", |address| {
        let mut command = Command::new("prometheus-redis-exporter");
        command.args(["-redis.addr", &redis.url(), "-include-system-metrics", "-web.listen-address", address]);
        command
    })
    .await
}

async fn postgres_exporter(postgres: &Postgres) -> HttpProcess {
    HttpProcess::start("/", |address| {
        let mut command = Command::new("prometheus-postgres-exporter");
        command.env("DATA_SOURCE_NAME", format!("{}?sslmode=disable", postgres.server.url()));
        command.args(["--web.listen-address", address]);
        command
    })
    .await
}
