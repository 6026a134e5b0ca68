//! What is plotted of a run.

use crate::chart::{Scale, Series, lines};
use crate::latency::Summary;
use crate::outcome::{Operation, Refusal};
use crate::recorder::Second;

const COLOURS: [&str; 6] = ["#2563eb", "#0d9488", "#a855f7", "#dc2626", "#ea9216", "#64748b"];

/// Requests answered a second, by operation.
pub fn requests(timeline: &[Second]) -> String {
    let series = Operation::ALL.iter().enumerate().map(|(place, operation)| Series {
        name: operation.name().to_owned(),
        colour: COLOURS[place],
        points: rates(timeline, |second| second.answers[place]),
    });
    lines(&with_something(series), end(timeline), Scale::Linear)
}

/// Purchases acknowledged a second.
pub fn purchases(timeline: &[Second]) -> String {
    let points = rates(timeline, |second| second.acknowledged);
    lines(
        &[Series { name: "purchases acknowledged".to_owned(), colour: COLOURS[1], points }],
        end(timeline),
        Scale::Linear,
    )
}

/// Percentiles of each second of what `summary` picks.
pub fn latencies(timeline: &[Second], summary: impl Fn(&Second) -> Summary) -> String {
    let line = |name: &str, colour: &'static str, percentile: fn(Summary) -> f64| Series {
        name: name.to_owned(),
        colour,
        points: timeline
            .iter()
            .filter(|second| summary(second).count > 0)
            .map(|second| (second.at_s, percentile(summary(second))))
            .collect(),
    };
    let series = [
        line("max", "#cbd5e1", |summary| summary.max_ms),
        line("p99", "#dc2626", |summary| summary.p99_ms),
        line("p95", "#ea9216", |summary| summary.p95_ms),
        line("p50", "#2563eb", |summary| summary.p50_ms),
    ];
    lines(&series, end(timeline), Scale::Logarithmic)
}

/// Units sold since the start: what shoppers were told, and what the service says.
pub fn sold(timeline: &[Second]) -> String {
    let so_far = |figure: fn(&Second) -> u64| {
        let seconds = timeline.iter().map(|second| (second.at_s, figure(second) as f64));
        std::iter::once((0.0, 0.0)).chain(seconds).collect()
    };
    let series = [
        Series {
            name: "sold, as the service says".to_owned(),
            colour: "#ea9216",
            points: so_far(|second| second.units_sold),
        },
        Series {
            name: "acknowledged to shoppers".to_owned(),
            colour: "#2563eb",
            points: so_far(|second| second.units_told),
        },
    ];
    lines(&series, end(timeline), Scale::Linear)
}

/// Refusals a second, by reason, and requests turned away.
pub fn refusals(timeline: &[Second]) -> String {
    let reasons = Refusal::ALL.iter().enumerate().map(|(place, refusal)| Series {
        name: refusal.word().to_owned(),
        colour: COLOURS[place],
        points: rates(timeline, |second| second.refusals[place]),
    });
    let turned_away = Series {
        name: "503 or 429".to_owned(),
        colour: "#0f172a",
        points: rates(timeline, |second| second.turned_away),
    };
    lines(&with_something(reasons.chain([turned_away])), end(timeline), Scale::Linear)
}

fn end(timeline: &[Second]) -> f64 {
    timeline.last().map_or(1.0, |second| second.at_s)
}

/// Counts of each second, as rates: a busy client ends its seconds late.
fn rates(timeline: &[Second], count: impl Fn(&Second) -> u64) -> Vec<(f64, f64)> {
    let starts = std::iter::once(0.0).chain(timeline.iter().map(|second| second.at_s));
    let rate = |(second, start): (&Second, f64)| (second.at_s, count(second) as f64 / (second.at_s - start).max(0.1));
    timeline.iter().zip(starts).map(rate).collect()
}

fn with_something(series: impl Iterator<Item = Series>) -> Vec<Series> {
    series.filter(|series| series.points.iter().any(|(_, value)| *value > 0.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_that_took_two_counts_half() {
        let second = |at_s, acknowledged| Second { at_s, acknowledged, ..Second::default() };
        let timeline = [second(1.0, 10), second(3.0, 10)];
        assert_eq!(rates(&timeline, |second| second.acknowledged), [(1.0, 10.0), (3.0, 5.0)]);
    }

    #[test]
    fn what_never_happened_is_not_plotted() {
        let mut second = Second { at_s: 1.0, ..Second::default() };
        second.refusals[Refusal::ItemSold as usize] = 3;
        let plot = refusals(&[second]);
        assert!(plot.contains("item_sold") && !plot.contains("cart_full"), "{plot}");
    }
}
