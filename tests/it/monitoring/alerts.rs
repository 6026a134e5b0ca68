//! Alerts fire when a fault occurs, and not before.

use std::sync::Mutex;

use serde_json::Value;
use sqlx::Executor;

use super::monitored_service::MonitoredService;
use crate::harness::eventually;

impl MonitoredService {
    /// Waits until an alert with this name and label fires, and returns it.
    async fn alert(&self, name: &str, label: &str, value: &str) -> Value {
        let found = Mutex::new(None);
        let fires = || async {
            let firing = self.prometheus.firing(name).await;
            let alert = firing.into_iter().find(|alert| alert["labels"][label] == value);
            *found.lock().expect("no thread panicked") = alert.clone();
            alert.is_some()
        };
        eventually(&format!("{name} fires"), fires).await;
        found.into_inner().expect("no thread panicked").expect("the alert fires")
    }

    /// Waits until this expression has a value, and until no alert fires for the time before the first scrapes.
    async fn all_is_well(&self, measured: &str) {
        let has_value = || async { self.prometheus.query(measured).await.is_ok_and(|found| !found.is_empty()) };
        eventually(&format!("{measured} has a value"), has_value).await;
        for name in ["SaleUnsound", "WriterLagging", "StoreDown", "ServiceDown", "InstanceDown", "SaleMissing"] {
            let ends = || async { self.prometheus.firing(name).await.is_empty() };
            eventually(&format!("{name} does not fire"), ends).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lagging_writer_and_a_drift_of_one_unit_fire_their_alerts() {
    let service = MonitoredService::start(100).await;
    let sale = service.sale().await;
    eventually("the first item is bought", || service.client().has_bought("ann", "r", "1")).await;
    service.all_is_well("flashsale_audit_findings").await;

    let database = service.database().await;
    let mut held = database.begin().await.expect("PostgreSQL answers");
    held.execute("LOCK TABLE purchases IN EXCLUSIVE MODE").await.expect("the lock is granted");
    service.client().buy_now("bob", "r", "2").await.expect(202);
    service.alert("WriterLagging", "sale", &sale).await;
    held.rollback().await.expect("PostgreSQL answers");

    let mut redis = redis::Client::open(service.redis.url()).expect("the URL is right");
    let () = redis::cmd("HSET").arg(format!("{{{sale}}}:units")).arg(1).arg("0").query(&mut redis).expect("an answer");
    let alert = service.alert("SaleUnsound", "finding", "drift").await;
    assert_eq!(alert["labels"]["severity"], "page");
    assert_eq!(alert["annotations"]["summary"], format!("Sale {sale}: 1 drift"));
    assert_eq!(alert["annotations"]["runbook_url"], "wiki/Runbooks.md#saleunsound");

    // The remedy of the runbook.
    let () = redis::cmd("DEL").arg(format!("{{{sale}}}:header")).query(&mut redis).expect("an answer");
    service.alert("RedisForgot", "severity", "ticket").await;
    let drifts = || service.prometheus.query("flashsale_audit_findings > 0");
    eventually("the drift is repaired", || async { drifts().await.is_ok_and(|found| found.is_empty()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_down_fires_its_alert() {
    let mut service = MonitoredService::start(100).await;
    service.all_is_well("redis_up and on () pg_up").await;
    service.redis.server.kill();
    service.alert("StoreDown", "store", "redis").await;
    service.redis.server.restart().expect("Redis starts");
    service.postgres.server.kill();
    service.alert("StoreDown", "store", "postgres").await;
}
