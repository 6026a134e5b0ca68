//! Every expression of a panel or a rule has a value when the service is at work.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio_util::task::AbortOnDropHandle;

use super::dashboards::Dashboard;
use super::expressions::{measured, metrics, parsed};
use super::watched::Watched;
use crate::harness::client::Client;
use crate::harness::prometheus::Prometheus;

/// Grafana's choice for this scrape interval.
const RATE_INTERVAL: Duration = Prometheus::SCRAPE_EVERY.saturating_mul(4);
/// More than are bought in that time.
const ITEMS: u32 = 10_000;
/// An audit comes after five seconds, and rates need some time to be known.
const PATIENCE: Duration = Duration::from_secs(25);

#[tokio::test(flavor = "multi_thread")]
async fn every_expression_has_a_value_when_the_service_is_at_work() {
    let watched = Watched::start(ITEMS).await;
    let _shoppers =
        AbortOnDropHandle::new(tokio::spawn(crowd(watched.instances.each_ref().map(|it| it.client.clone()))));
    let mut missing = expressions(&watched.prometheus).await;
    assert!(missing.len() > 150, "{} expressions", missing.len());
    let deadline = Instant::now() + PATIENCE;
    while !missing.is_empty() {
        assert!(Instant::now() < deadline, "nothing to show, within {PATIENCE:?}:\n{missing:#?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
        for (expression, (_, why)) in &mut missing {
            *why = watched.fault_of(expression).await;
        }
        missing.retain(|_, (_, why)| !why.is_empty());
    }
    assert_lint_free(&watched.client().get("/metrics").await.expect(200).body);
}

/// Expressions, where they come from, and what is wrong with their values.
type Expressions = BTreeMap<String, (String, String)>;

async fn expressions(prometheus: &Prometheus) -> Expressions {
    let rate_interval = format!("{}s", RATE_INTERVAL.as_secs());
    let panels = Dashboard::all().into_iter().flat_map(|dashboard| dashboard.queries(&rate_interval));
    let mut all: Vec<_> = panels.map(|query| (query.expression, query.place)).collect();
    for rule in prometheus.rules().await {
        let (name, query) = (rule["name"].to_string(), rule["query"].as_str().expect("a rule has an expression"));
        match rule["type"].as_str() {
            Some("alerting") => all.extend(measured(&parsed(query)).into_iter().map(|side| (side, name.clone()))),
            _ => all.push((query.to_owned(), name)),
        }
    }
    // Where one part of an expression stands in for another, both must be there.
    let named: BTreeSet<_> = all.iter().flat_map(|(expression, _)| metrics(&parsed(expression))).collect();
    let no_alert_fires = "ALERTS";
    all.extend(named.into_iter().filter(|name| name != no_alert_fires).map(|name| (name, "a metric".to_owned())));
    all.into_iter().map(|(expression, place)| (expression, (place, String::new()))).collect()
}

impl Watched {
    /// Nothing where the expression has a value, and every value is a number.
    async fn fault_of(&self, expression: &str) -> String {
        match self.prometheus.query(expression).await {
            Err(error) => error,
            Ok(samples) if samples.is_empty() => "empty".to_owned(),
            Ok(samples) => {
                let odd = samples.iter().find(|(_, value)| value.is_nan());
                odd.map(|(series, _)| format!("not a number: {series}")).unwrap_or_default()
            }
        }
    }
}

/// Shoppers who do everything that a panel shows, again and again.
async fn crowd(shops: [Client; 2]) {
    for (shop, first) in shops.iter().cycle().zip((1..).step_by(4)) {
        shopper(shop, first).await;
    }
}

/// Somebody who buys four items from this one on, and is refused what can be refused.
async fn shopper(shop: &Client, first: u32) {
    let items: Vec<String> = (first..first + 4).map(|item| (item % ITEMS).max(1).to_string()).collect();
    let [a, b, c, d] = [0, 1, 2, 3].map(|place: usize| items[place].as_str());
    let (ann, bob) = (format!("ann{first}"), format!("bob{first}"));
    let code = shop.cart(&ann, &[a, b, c]).await;
    let late = shop.cart(&bob, &[a]).await;
    shop.delete(&format!("/checkout/{code}/items/{c}")).await;
    for _ in 0..2 {
        shop.purchase(&code).await;
    }
    shop.get(&format!("/purchase/{code}")).await;
    shop.purchase(&late).await;
    shop.buy_now(&ann, "r", d).await;
    shop.checkout(&bob, d).await;
    shop.post_json("/api/purchase", json!({})).await;
    for path in ["/sales/active", "/sales?status=open", "/health/ready", "/items/1", "/nowhere"] {
        shop.get(path).await;
    }
}

/// Fails on what promtool would have otherwise: names, units, help texts.
fn assert_lint_free(metrics: &[u8]) {
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut checking = promtool.spawn().expect("promtool is there");
    checking.stdin.take().expect("it is piped").write_all(metrics).expect("promtool reads");
    let checked = checking.wait_with_output().expect("promtool ends");
    let said = String::from_utf8_lossy(&checked.stdout).into_owned() + &String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success() && said.trim().is_empty(), "{said}");
}
