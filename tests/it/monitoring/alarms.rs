//! Alarms go off when it really happens, and not before.

use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::Executor;

use super::watched::Watched;
use crate::harness::eventually;

/// How soon a drift must be known.
const DRIFT_KNOWN_WITHIN: Duration = Duration::from_secs(10);

impl Watched {
    /// Waits until this alert fires, and returns it.
    async fn alarm(&self, name: &str) -> Value {
        eventually(name, || async { !self.prometheus.firing(name).await.is_empty() }).await;
        self.prometheus.firing(name).await.remove(0)
    }

    /// Waits until it fires no more.
    async fn all_clear(&self, name: &str) {
        eventually(name, || async { self.prometheus.firing(name).await.is_empty() }).await;
    }

    /// Waits until everything has been measured, and until what fired while Prometheus knew nothing yet has ended.
    async fn all_is_well(&self) {
        let measured = "flashsale_audit_findings and on () redis_up and on () pg_up";
        eventually("an audit is made", || async {
            self.prometheus.query(measured).await.is_ok_and(|found| !found.is_empty())
        })
        .await;
        for name in ["SaleUnsound", "WriterLagging", "StoreDown", "ServiceDown", "InstanceDown", "SaleMissing"] {
            self.all_clear(name).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drift_of_one_unit_and_a_writer_that_lags_set_off_their_alarms() {
    let watched = Watched::start().await;
    watched.client().buy_now("ann", "r", "1").await.expect(200);
    watched.all_is_well().await;

    let database = watched.database().await;
    let mut freeze = database.begin().await.expect("PostgreSQL answers");
    freeze.execute("LOCK TABLE purchases IN EXCLUSIVE MODE").await.expect("nobody writes any more");
    watched.client().buy_now("bob", "r", "2").await.expect(202);
    let alarm = watched.alarm("WriterLagging").await;
    assert_eq!(alarm["labels"]["sale"], watched.sale().await);
    freeze.rollback().await.expect("PostgreSQL answers");
    watched.all_clear("WriterLagging").await;

    let drifted = Instant::now();
    let units = format!("{{{}}}:units", watched.sale().await);
    let mut redis = redis::Client::open(watched.redis.url()).expect("the URL is right");
    let () = redis::cmd("HSET").arg(units).arg(1).arg("1").query(&mut redis).expect("Redis answers");
    let alarm = watched.alarm("SaleUnsound").await;
    assert!(drifted.elapsed() < DRIFT_KNOWN_WITHIN, "known after {:?}", drifted.elapsed());
    assert_eq!((&alarm["labels"]["finding"], &alarm["labels"]["severity"]), (&"drift".into(), &"page".into()));
    assert_eq!(alarm["annotations"]["summary"], format!("Sale {}: 1 drift", watched.sale().await));
    assert_eq!(alarm["annotations"]["runbook_url"], "wiki/Monitoring.md#saleunsound");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_down_sets_off_its_alarm() {
    let mut watched = Watched::start().await;
    watched.all_is_well().await;

    watched.redis.server.kill();
    assert_eq!(watched.alarm("StoreDown").await["labels"]["store"], "redis");
    watched.redis.server.restart().expect("Redis starts");
    watched.all_clear("StoreDown").await;

    watched.postgres.server.kill();
    assert_eq!(watched.alarm("StoreDown").await["labels"]["store"], "postgres");
    watched.postgres.server.restart().expect("PostgreSQL starts");
    watched.all_clear("StoreDown").await;
}
