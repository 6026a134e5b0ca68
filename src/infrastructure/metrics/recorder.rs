//! The recorder of the process, and every handle that is used on the hot path: looking one up by name and labels
//! takes longer than all else that a metric costs.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Label as Pair, counter, describe_counter, describe_gauge, gauge, histogram};
use metrics::{Unit, describe_histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::application::ports::Rejection;

use super::labels::{Label, Outcome, PurchaseKind, StoreTrouble};

/// Measurements wait in memory until they are sorted into buckets.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

const LATENCY_SECONDS: [f64; 14] =
    [0.000_25, 0.000_5, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.25, 0.5, 1.0, 5.0];
const BATCH_ENTRIES: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// Handles of every metric but those of HTTP requests.
pub struct Metrics {
    exporter: PrometheusHandle,
    pub in_flight: Gauge,
    pub shed: Counter,
    pub connections: Gauge,
    pub connections_refused: Counter,
    pub checkouts: Vec<Counter>,
    pub purchases: Vec<Counter>,
    pub buy_nows: Vec<Counter>,
    pub units_acknowledged: Counter,
    pub units_sold: Counter,
    pub units_left: Gauge,
    pub filter_refusals: Counter,
    pub store_failures: Vec<Counter>,
    pub ledger_batch: Histogram,
    pub ledger_commit: Histogram,
    pub ledger_lag: Gauge,
    pub ledger_pending: Gauge,
    pub fence_trips: Counter,
    pub recoveries: Counter,
    pub epoch: Gauge,
    pub guard_hits: Vec<Counter>,
    pub dead_letters: Vec<Counter>,
}

/// The metrics of this process.
pub fn metrics() -> &'static Metrics {
    static METRICS: OnceLock<Metrics> = OnceLock::new();
    METRICS.get_or_init(|| {
        let recorder = recorder().unwrap_or_else(|error| unreachable!("the buckets are not empty: {error}"));
        let exporter = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::error!("another recorder of metrics is installed in this process: /metrics stays empty");
        }
        describe();
        keep_up(exporter.clone());
        Metrics::new(exporter)
    })
}

/// What `GET /metrics` answers.
pub fn render() -> String {
    metrics().exporter.render()
}

fn recorder() -> Result<PrometheusRecorder, BuildError> {
    let recorder = PrometheusBuilder::new()
        .set_buckets(&LATENCY_SECONDS)?
        .set_buckets_for_metric(Matcher::Full("flashsale_ledger_batch_entries".into()), &BATCH_ENTRIES)?
        .build_recorder();
    Ok(recorder)
}

/// On a thread of its own, which outlives the runtimes of tests.
fn keep_up(exporter: PrometheusHandle) {
    let sorting = move || {
        loop {
            std::thread::sleep(UPKEEP_EVERY);
            exporter.run_upkeep();
        }
    };
    if let Err(error) = std::thread::Builder::new().name("metrics".into()).spawn(sorting) {
        tracing::error!(%error, "no thread for metrics: they are sorted only when somebody asks for them");
    }
}

impl Metrics {
    fn new(exporter: PrometheusHandle) -> Self {
        let of_purchase =
            |kind: PurchaseKind| by::<Outcome>("flashsale_purchases_total", "outcome", &[("kind", kind.word())]);
        Metrics {
            exporter,
            in_flight: gauge!("flashsale_http_requests_in_flight"),
            shed: counter!("flashsale_http_requests_shed_total"),
            connections: gauge!("flashsale_http_connections"),
            connections_refused: counter!("flashsale_http_connections_refused_total"),
            checkouts: by::<Outcome>("flashsale_checkouts_total", "outcome", &[]),
            purchases: of_purchase(PurchaseKind::Cart),
            buy_nows: of_purchase(PurchaseKind::BuyNow),
            units_acknowledged: counter!("flashsale_units_acknowledged_total"),
            units_sold: counter!("flashsale_units_sold_total"),
            units_left: gauge!("flashsale_current_sale_units_left"),
            filter_refusals: counter!("flashsale_sold_filter_refusals_total"),
            store_failures: by::<StoreTrouble>("flashsale_store_failures_total", "kind", &[]),
            ledger_batch: histogram!("flashsale_ledger_batch_entries"),
            ledger_commit: histogram!("flashsale_ledger_commit_seconds"),
            ledger_lag: gauge!("flashsale_ledger_lag_seconds"),
            ledger_pending: gauge!("flashsale_ledger_pending_entries"),
            fence_trips: counter!("flashsale_fence_trips_total"),
            recoveries: counter!("flashsale_recoveries_total"),
            epoch: gauge!("flashsale_epoch"),
            guard_hits: by::<Rejection>("flashsale_guard_hits_total", "guard", &[])
                .into_iter()
                .take(Rejection::Invalid.index())
                .collect(),
            dead_letters: by::<Rejection>("flashsale_dead_letters_total", "reason", &[]),
        }
    }
}

/// One counter for each value of a label.
fn by<L: Label>(name: &'static str, label: &'static str, more: &[(&'static str, &'static str)]) -> Vec<Counter> {
    let counter = |value: L| {
        let more = more.iter().map(|(name, value)| Pair::from_static_parts(name, value));
        let labels: Vec<Pair> = more.chain([Pair::from_static_parts(label, value.word())]).collect();
        counter!(name, labels)
    };
    L::all().into_iter().map(counter).collect()
}

fn describe() {
    describe_counter!("flashsale_http_requests_total", "HTTP requests by path, method and status.");
    describe_histogram!("flashsale_http_request_seconds", Unit::Seconds, "Time to answer an HTTP request, by path.");
    describe_gauge!("flashsale_http_requests_in_flight", "HTTP requests that are being answered.");
    describe_counter!("flashsale_http_requests_shed_total", "HTTP requests refused because too many were in flight.");
    describe_gauge!("flashsale_http_connections", "Open connections.");
    describe_counter!("flashsale_http_connections_refused_total", "Connections turned away: there were too many.");
    describe_counter!("flashsale_checkouts_total", "Checkouts answered, by outcome.");
    describe_counter!("flashsale_purchases_total", "Purchases answered, by kind (cart, buy_now) and outcome.");
    describe_counter!("flashsale_units_acknowledged_total", "Units acknowledged to their buyer at the first asking.");
    describe_counter!("flashsale_units_sold_total", "Units that this instance wrote to PostgreSQL as sold.");
    describe_gauge!("flashsale_current_sale_units_left", "Units of the current periodic sale that nobody owns.");
    describe_counter!("flashsale_sold_filter_refusals_total", "Requests refused by the sold-item filter alone.");
    describe_counter!("flashsale_store_failures_total", "Requests that a store did not serve, by kind of failure.");
    describe_histogram!("flashsale_ledger_batch_entries", "Ledger entries in one batch.");
    describe_histogram!("flashsale_ledger_commit_seconds", Unit::Seconds, "Time to commit a batch to PostgreSQL.");
    describe_gauge!("flashsale_ledger_lag_seconds", Unit::Seconds, "Age of the oldest entry not in PostgreSQL.");
    describe_gauge!("flashsale_ledger_pending_entries", "Ledger entries of live sales that are not in PostgreSQL.");
    describe_counter!("flashsale_fence_trips_total", "Times that Redis was found to have forgotten.");
    describe_counter!("flashsale_recoveries_total", "Times that Redis was restored from PostgreSQL.");
    describe_gauge!("flashsale_epoch", "Epoch that this instance decides in; 0 while it decides nothing.");
    describe_counter!("flashsale_guard_hits_total", "Oversells and passed limits averted by PostgreSQL, by guard.");
    describe_counter!("flashsale_dead_letters_total", "Ledger entries that PostgreSQL refused, by reason.");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_installs_it_again_gets_the_same_recorder() {
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(|| std::ptr::from_ref(metrics()) as usize)).collect();
        let recorders: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert!(recorders.iter().all(|recorder| *recorder == recorders[0]));
    }

    #[test]
    fn every_metric_has_a_help_text_and_histograms_have_buckets() {
        metrics().ledger_commit.record(0.003);
        let text = render();
        let named =
            |line: &str| line.strip_prefix("# TYPE ").and_then(|rest| rest.split(' ').next()).map(str::to_owned);
        for name in text.lines().filter_map(named) {
            assert!(text.contains(&format!("# HELP {name} ")), "{name} has no help text");
        }
        assert!(text.contains("flashsale_ledger_commit_seconds_bucket{le=\"0.004\"}"), "{text}");
        assert!(text.contains("flashsale_purchases_total{kind=\"cart\",outcome=\"items_sold\"} 0"), "{text}");
    }
}
