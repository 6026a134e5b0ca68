//! Alarms go off when it really happens, and not before.

use serde_json::Value;
use sqlx::Executor;

use super::watched::Watched;
use crate::harness::eventually;

impl Watched {
    /// Waits until an alert of this name and label fires, and returns it.
    async fn alarm(&self, name: &str, label: &str, value: &str) -> Value {
        let alarm = || async {
            let firing = self.prometheus.firing(name).await;
            firing.into_iter().find(|alert| alert["labels"][label] == value)
        };
        eventually(name, || async { alarm().await.is_some() }).await;
        alarm().await.expect("it goes on")
    }

    /// Waits until this has been measured, and until what fired while Prometheus knew nothing yet has ended.
    async fn all_is_well(&self, measured: &str) {
        let has_value = || async { self.prometheus.query(measured).await.is_ok_and(|found| !found.is_empty()) };
        eventually(measured, has_value).await;
        for name in ["SaleUnsound", "WriterLagging", "StoreDown", "ServiceDown", "InstanceDown", "SaleMissing"] {
            eventually(name, || async { self.prometheus.firing(name).await.is_empty() }).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_lags_and_a_drift_of_one_unit_set_off_their_alarms() {
    let watched = Watched::start(100).await;
    let sale = watched.sale().await;
    watched.client().buy_now("ann", "r", "1").await.expect(200);
    watched.all_is_well("flashsale_audit_findings").await;

    let database = watched.database().await;
    let mut freeze = database.begin().await.expect("PostgreSQL answers");
    freeze.execute("LOCK TABLE purchases IN EXCLUSIVE MODE").await.expect("nobody writes any more");
    watched.client().buy_now("bob", "r", "2").await.expect(202);
    watched.alarm("WriterLagging", "sale", &sale).await;
    freeze.rollback().await.expect("PostgreSQL answers");

    let mut redis = redis::Client::open(watched.redis.url()).expect("the URL is right");
    let () = redis::cmd("HSET").arg(format!("{{{sale}}}:units")).arg(1).arg("1").query(&mut redis).expect("an answer");
    let alarm = watched.alarm("SaleUnsound", "finding", "drift").await;
    assert_eq!(alarm["labels"]["severity"], "page");
    assert_eq!(alarm["annotations"]["summary"], format!("Sale {sale}: 1 drift"));
    assert_eq!(alarm["annotations"]["runbook_url"], "wiki/Runbooks.md#saleunsound");

    // What its runbook says helps.
    let () = redis::cmd("DEL").arg(format!("{{{sale}}}:header")).query(&mut redis).expect("an answer");
    watched.alarm("RedisForgot", "severity", "ticket").await;
    let drifts = || watched.prometheus.query("flashsale_audit_findings > 0");
    eventually("the drift is gone", || async { drifts().await.is_ok_and(|found| found.is_empty()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_down_sets_off_its_alarm() {
    let mut watched = Watched::start(100).await;
    watched.all_is_well("redis_up and on () pg_up").await;
    watched.redis.server.kill();
    watched.alarm("StoreDown", "store", "redis").await;
    watched.redis.server.restart().expect("Redis starts");
    watched.postgres.server.kill();
    watched.alarm("StoreDown", "store", "postgres").await;
}
