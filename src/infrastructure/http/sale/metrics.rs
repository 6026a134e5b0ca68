//! Metrics of checkouts, purchases and streams.

use std::time::Duration;

use chrono::TimeDelta;
use strum::{IntoStaticStr, VariantArray};

use crate::infrastructure::http::platform::ProblemCode;
use crate::infrastructure::metrics::{Counter, Histogram, Label, Labels, Metric, metrics};

metrics! {
    /// Answered checkouts, by outcome.
    static CHECKOUTS: Metric<Counter, Outcome> = "flashsale_checkouts_total" by "outcome";

    /// Answered purchases, by kind (cart, buy_now) and outcome.
    static PURCHASES: Metric<Counter, (PurchaseKind, Outcome)> = "flashsale_purchases_total" by "kind", "outcome";

    /// Units that were acknowledged to their buyer by the first request.
    static UNITS_ACKNOWLEDGED: Metric<Counter> = "flashsale_units_acknowledged_total";

    /// Time from the decision in Redis until the waiting purchase knows of its commit in PostgreSQL.
    static ACKNOWLEDGEMENT_WAIT: Metric<Histogram> = "flashsale_acknowledgement_wait_seconds";

    /// Time from the decision in Redis until an event about it is sent, measured on some of the streams.
    static STREAM_LAG: Metric<Histogram> = "flashsale_stream_lag_seconds";

    /// Bytes of the events that were sent.
    static STREAM_BYTES: Metric<Counter> = "flashsale_stream_bytes_total";

    /// Times that a slow reader of a stream got the latest snapshot in place of what it had missed.
    static STREAM_CONFLATIONS: Metric<Counter> = "flashsale_stream_conflations_total";
}

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

impl Labels for Outcome {
    const COUNT: usize = 4 + ProblemCode::ALL.len();

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

    fn words(self) -> Vec<&'static str> {
        vec![match self {
            Outcome::Accepted => "accepted",
            Outcome::Replayed => "replayed",
            Outcome::Confirming => "confirming",
            Outcome::Unknown => "unknown",
            Outcome::Refused(code) => code.word(),
        }]
    }
}

/// The two ways to buy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum PurchaseKind {
    Cart,
    BuyNow,
}

impl Label for PurchaseKind {}

/// Counts a checkout.
pub fn checkout(outcome: Outcome) {
    CHECKOUTS.of(outcome).increment(1);
}

/// Counts a purchase.
pub fn purchase(kind: PurchaseKind, outcome: Outcome) {
    PURCHASES.of((kind, outcome)).increment(1);
}

/// Counts units that were acknowledged to their buyer for the first time, this long after Redis decided.
pub fn acknowledged(units: u32, waited: Duration) {
    UNITS_ACKNOWLEDGED.increment(u64::from(units));
    ACKNOWLEDGEMENT_WAIT.record(waited.as_secs_f64());
}

/// Records the age of the first entry in an event that is sent.
pub fn stream_lag(lag: TimeDelta) {
    STREAM_LAG.record(lag.as_seconds_f64());
}

/// Counts bytes of events, and how often a snapshot replaced what a slow reader had missed.
pub fn streamed(bytes: usize, conflations: u64) {
    STREAM_BYTES.increment(bytes as u64);
    STREAM_CONFLATIONS.increment(conflations);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_at_its_index() {
        let all = Outcome::all();
        assert!(all.iter().enumerate().all(|(place, outcome)| outcome.index() == place));
        assert_eq!(all.len(), Outcome::COUNT);
    }
}
