//! Latency histograms from 1 microsecond to 1 minute, exact to 1 % or better.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// A histogram of latencies.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u64>);

/// The percentiles of a histogram, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize, Serialize)]
pub struct Summary {
    pub count: u64,
    pub p50_ms: f64,
    pub p95_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

impl Latencies {
    pub fn new() -> Self {
        const LONGEST_US: u64 = 60_000_000;
        Latencies(Histogram::new_with_bounds(1, LONGEST_US, 3).expect("the bounds are in order"))
    }

    /// Adds a latency. One above a minute counts as a minute.
    pub fn record(&mut self, took: Duration) {
        self.0.saturating_record(took.as_micros() as u64);
    }

    pub fn clear(&mut self) {
        self.0.reset();
    }

    pub fn count(&self) -> u64 {
        self.0.len()
    }

    pub fn quantile_ms(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1e3
    }

    pub fn summary(&self) -> Summary {
        if self.0.is_empty() {
            return Summary::default();
        }
        Summary {
            count: self.0.len(),
            p50_ms: self.quantile_ms(0.5),
            p95_ms: self.quantile_ms(0.95),
            p99_ms: self.quantile_ms(0.99),
            max_ms: self.0.max() as f64 / 1e3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_match_the_recorded_latencies() {
        let mut latencies = Latencies::new();
        (1..=1_000).for_each(|ms| latencies.record(Duration::from_millis(ms)));
        let summary = latencies.summary();
        for (found, expected) in [(summary.p50_ms, 500.0), (summary.p95_ms, 950.0), (summary.p99_ms, 990.0)] {
            assert!((found / expected - 1.0).abs() < 0.01, "{found} for {expected}");
        }
        assert!((summary.max_ms / 1_000.0 - 1.0).abs() < 0.01);
        latencies.record(Duration::from_secs(3_600));
        assert!((latencies.summary().max_ms / 60_000.0 - 1.0).abs() < 0.01);
        latencies.clear();
        assert_eq!(latencies.summary(), Summary::default());
    }
}
