//! Metrics of checkouts and purchases.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Counter, Histogram, Unit, counter, describe_counter, describe_histogram, histogram};

use crate::infrastructure::http::platform::ProblemCode;
use crate::infrastructure::metrics::{self as recorder, Label};

/// The outcome of a checkout or a purchase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Accepted,
    /// It had succeeded before, and the answer was the same.
    Replayed,
    /// It is decided, but not known to be durable.
    Confirming,
    /// A store failed after it may have decided.
    Unknown,
    Refused(ProblemCode),
}

impl Label for Outcome {
    fn all() -> Vec<Self> {
        let done = [Outcome::Accepted, Outcome::Replayed, Outcome::Confirming, Outcome::Unknown];
        done.into_iter().chain(ProblemCode::ALL.iter().copied().map(Outcome::Refused)).collect()
    }

    fn index(self) -> usize {
        match self {
            Outcome::Accepted => 0,
            Outcome::Replayed => 1,
            Outcome::Confirming => 2,
            Outcome::Unknown => 3,
            Outcome::Refused(code) => 4 + code as usize,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Outcome::Accepted => "accepted",
            Outcome::Replayed => "replayed",
            Outcome::Confirming => "confirming",
            Outcome::Unknown => "unknown",
            Outcome::Refused(code) => code.word(),
        }
    }
}

/// The two ways to buy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PurchaseKind {
    Cart,
    BuyNow,
}

struct Metrics {
    checkouts: Vec<Counter>,
    cart_purchases: Vec<Counter>,
    buy_now_purchases: Vec<Counter>,
    units_acknowledged: Counter,
    acknowledgement_wait: Histogram,
}

/// Registers the metrics, so that they are exported before the first request. Repeated calls do nothing.
pub fn install() {
    metrics();
}

/// Counts a checkout.
pub fn checkout(outcome: Outcome) {
    metrics().checkouts[outcome.index()].increment(1);
}

/// Counts a purchase.
pub fn purchase(kind: PurchaseKind, outcome: Outcome) {
    let counters = match kind {
        PurchaseKind::Cart => &metrics().cart_purchases,
        PurchaseKind::BuyNow => &metrics().buy_now_purchases,
    };
    counters[outcome.index()].increment(1);
}

/// Counts units that were acknowledged to their buyer for the first time, this long after Redis decided.
pub fn acknowledged(units: u32, waited: Duration) {
    metrics().units_acknowledged.increment(u64::from(units));
    metrics().acknowledgement_wait.record(waited.as_secs_f64());
}

fn metrics() -> &'static Metrics {
    static METRICS: OnceLock<Metrics> = OnceLock::new();
    METRICS.get_or_init(|| {
        recorder::install();
        describe();
        Metrics::new()
    })
}

impl Metrics {
    fn new() -> Self {
        Metrics {
            checkouts: by_outcome(|outcome| counter!("flashsale_checkouts_total", "outcome" => outcome)),
            cart_purchases: by_outcome(
                |outcome| counter!("flashsale_purchases_total", "kind" => "cart", "outcome" => outcome),
            ),
            buy_now_purchases: by_outcome(
                |outcome| counter!("flashsale_purchases_total", "kind" => "buy_now", "outcome" => outcome),
            ),
            units_acknowledged: counter!("flashsale_units_acknowledged_total"),
            acknowledgement_wait: histogram!("flashsale_acknowledgement_wait_seconds"),
        }
    }
}

fn by_outcome(counter: impl Fn(&'static str) -> Counter) -> Vec<Counter> {
    Outcome::all().into_iter().map(|outcome| counter(outcome.word())).collect()
}

fn describe() {
    describe_counter!("flashsale_checkouts_total", "Checkouts answered, by outcome.");
    describe_counter!("flashsale_purchases_total", "Purchases answered, by kind (cart, buy_now) and outcome.");
    describe_counter!("flashsale_units_acknowledged_total", "Units acknowledged to their buyer for the first time.");
    describe_histogram!(
        "flashsale_acknowledgement_wait_seconds",
        Unit::Seconds,
        "Time from the decision in Redis until the waiting purchase knows of its commit in PostgreSQL."
    );
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn every_outcome_is_at_its_index() {
        let all = Outcome::all();
        assert!(all.iter().enumerate().all(|(place, outcome)| outcome.index() == place));
        assert_eq!(all.len(), 4 + ProblemCode::ALL.len());
    }

    #[test]
    fn every_outcome_is_exported_from_the_start() {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || drop(Metrics::new()));
        let text = recorder.handle().render();
        assert!(text.contains("flashsale_purchases_total{kind=\"cart\",outcome=\"items_sold\"} 0"), "{text}");
        assert!(text.contains("flashsale_checkouts_total{outcome=\"accepted\"} 0"), "{text}");
    }
}
