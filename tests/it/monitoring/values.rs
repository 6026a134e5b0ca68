//! The expressions of panels and rules have values while the service works.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio_util::task::AbortOnDropHandle;

use super::dashboards::Dashboard;
use super::expressions::{measured, metrics, parsed};
use super::monitored_service::MonitoredService;
use crate::harness::client::Client;
use crate::harness::prometheus::Prometheus;

/// The interval of rates. It still contains two scrapes if most scrapes of a busy machine fail.
const RATE_INTERVAL: Duration = Prometheus::SCRAPE_INTERVAL.saturating_mul(10);

/// The longest wait for values. The first audit alone takes more than five seconds.
const PATIENCE: Duration = Duration::from_secs(180);

/// The pause between two shoppers.
const SHOPPER_INTERVAL: Duration = Duration::from_millis(50);

/// More items than the shoppers buy within the patience: four each.
const ITEMS: u32 = 20_000;
const _: () = assert!(ITEMS as u128 > 4 * (PATIENCE.as_millis() / SHOPPER_INTERVAL.as_millis()));

#[tokio::test(flavor = "multi_thread")]
async fn every_expression_has_a_value_while_shoppers_buy() {
    let service = MonitoredService::start(ITEMS).await;
    let clients = service.instances.each_ref().map(|instance| instance.client.clone());
    let shoppers = AbortOnDropHandle::new(tokio::spawn(send_shoppers(clients)));
    let mut missing = expressions(&service.prometheus).await;
    assert!(missing.len() > 150, "{} expressions", missing.len());
    let deadline = Instant::now() + PATIENCE;
    while !missing.is_empty() {
        assert!(Instant::now() < deadline, "no value within {PATIENCE:?}:\n{missing:#?}");
        assert!(!shoppers.is_finished(), "a shopper has failed");
        tokio::time::sleep(Duration::from_millis(500)).await;
        for (expression, (_, fault)) in &mut missing {
            *fault = service.fault_of(expression).await;
        }
        missing.retain(|_, (_, fault)| !fault.is_empty());
    }
    assert_lint_free(&service.client().get("/metrics").await.expect(200).body);
}

/// Expressions, each with its place and the fault of its value.
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
    // An expression may have a value although one of its metrics is missing.
    let named: BTreeSet<_> = all.iter().flat_map(|(expression, _)| metrics(&parsed(expression))).collect();
    let no_alert_fires = "ALERTS";
    all.extend(named.into_iter().filter(|name| name != no_alert_fires).map(|name| (name, "a metric".to_owned())));
    all.into_iter().map(|(expression, place)| (expression, (place, String::new()))).collect()
}

impl MonitoredService {
    /// Returns an empty string if the expression has values, all of them numbers.
    async fn fault_of(&self, expression: &str) -> String {
        match self.prometheus.query(expression).await {
            Err(error) => error,
            Ok(samples) if samples.is_empty() => "empty".to_owned(),
            Ok(samples) => {
                let not_a_number = samples.iter().find(|(_, value)| value.is_nan());
                not_a_number.map(|(series, _)| format!("not a number: {series}")).unwrap_or_default()
            }
        }
    }
}

/// Sends one shopper after the other, to each instance in turn.
async fn send_shoppers(instances: [Client; 2]) {
    for (client, first) in instances.iter().cycle().zip((1..ITEMS - 4).step_by(4)) {
        send_shopper(client, first).await;
        tokio::time::sleep(SHOPPER_INTERVAL).await;
    }
}

/// Sends the requests of a shopper who buys items from this one on, and gets every kind of refusal.
async fn send_shopper(client: &Client, first: u32) {
    let items: Vec<String> = (first..first + 4).map(|item| item.to_string()).collect();
    let [a, b, c, d] = [0, 1, 2, 3].map(|place: usize| items[place].as_str());
    let (ann, bob) = (format!("ann{first}"), format!("bob{first}"));
    let code = client.cart(&ann, &[a, b, c]).await;
    let late = client.cart(&bob, &[a]).await;
    client.delete(&format!("/checkout/{code}/items/{c}")).await;
    for _ in 0..2 {
        client.purchase(&code).await;
    }
    client.get(&format!("/purchase/{code}")).await;
    client.post_json(&format!("/orders/{code}/pay"), json!({ "payment_method": "pm_ok" })).await;
    client.purchase(&late).await;
    client.buy_now(&ann, "r", d).await;
    client.checkout(&bob, d).await;
    client.post_json("/api/purchase", json!({})).await;
    for path in ["/sales/active", "/sales?status=open", "/health/ready", "/items/1", "/nowhere"] {
        client.get(path).await;
    }
}

/// Fails if promtool has complaints: about names, units or help texts.
fn assert_lint_free(metrics: &[u8]) {
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut checking = promtool.spawn().expect("promtool is installed");
    checking.stdin.take().expect("stdin is piped").write_all(metrics).expect("promtool reads");
    let checked = checking.wait_with_output().expect("promtool ends");
    let messages = String::from_utf8_lossy(&checked.stdout).into_owned() + &String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success() && messages.trim().is_empty(), "{messages}");
}
