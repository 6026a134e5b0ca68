//! The charts of the report.

use crate::chart::{Axis, Scale, Series, line_chart};
use crate::latency::Summary;
use crate::outcome::{Operation, Refusal};
use crate::recorder::Second;

const COLOURS: [&str; 10] =
    ["#2563eb", "#0d9488", "#a855f7", "#dc2626", "#ea9216", "#64748b", "#65a30d", "#db2777", "#0891b2", "#78350f"];

/// Plots the responses per second, by operation.
pub fn requests(timeline: &[Second]) -> String {
    let series = Operation::ALL.iter().enumerate().map(|(index, operation)| Series {
        name: operation.name().to_owned(),
        colour: COLOURS[index],
        points: rates(timeline, |second| second.answers[index]),
    });
    line_chart(&without_empty(series), axis(timeline), Scale::Linear)
}

/// Plots the purchases acknowledged per second.
pub fn purchases(timeline: &[Second]) -> String {
    let points = rates(timeline, |second| second.acknowledged);
    line_chart(
        &[Series { name: "purchases acknowledged".to_owned(), colour: COLOURS[1], points }],
        axis(timeline),
        Scale::Linear,
    )
}

/// Plots latency percentiles per second. `summary` selects the latencies.
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
    line_chart(&series, axis(timeline), Scale::Logarithmic)
}

/// Plots the units sold since the start: as acknowledged to shoppers, and as the service shows.
pub fn sold(timeline: &[Second]) -> String {
    let cumulative = |figure: fn(&Second) -> u64| {
        let seconds = timeline.iter().map(|second| (second.at_s, figure(second) as f64));
        std::iter::once((0.0, 0.0)).chain(seconds).collect()
    };
    let series = [
        Series {
            name: "sold according to the service".to_owned(),
            colour: "#ea9216",
            points: cumulative(|second| second.units_sold),
        },
        Series {
            name: "acknowledged to shoppers".to_owned(),
            colour: "#2563eb",
            points: cumulative(|second| second.units_acknowledged),
        },
    ];
    line_chart(&series, axis(timeline), Scale::Linear)
}

/// Plots the refusals per second, by reason, and the 503 and 429 responses.
pub fn refusals(timeline: &[Second]) -> String {
    let reasons = Refusal::ALL.iter().enumerate().map(|(index, refusal)| Series {
        name: refusal.code().to_owned(),
        colour: COLOURS[index],
        points: rates(timeline, |second| second.refusals[index]),
    });
    let turned_away = Series {
        name: "503 or 429".to_owned(),
        colour: "#0f172a",
        points: rates(timeline, |second| second.turned_away),
    };
    line_chart(&without_empty(reasons.chain([turned_away])), axis(timeline), Scale::Linear)
}

fn axis(timeline: &[Second]) -> Axis<'_> {
    Axis::Seconds(timeline.last().map_or(1.0, |second| second.at_s))
}

/// Converts counts to rates. A busy client may end a second late, so seconds have different lengths.
fn rates(timeline: &[Second], count: impl Fn(&Second) -> u64) -> Vec<(f64, f64)> {
    let starts = std::iter::once(0.0).chain(timeline.iter().map(|second| second.at_s));
    let rate = |(second, start): (&Second, f64)| (second.at_s, count(second) as f64 / (second.at_s - start).max(0.1));
    timeline.iter().zip(starts).map(rate).collect()
}

fn without_empty(series: impl Iterator<Item = Series>) -> Vec<Series> {
    series.filter(|series| series.points.iter().any(|(_, value)| *value > 0.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_that_lasted_two_has_half_the_rate() {
        let second = |at_s, acknowledged| Second { at_s, acknowledged, ..Second::default() };
        let timeline = [second(1.0, 10), second(3.0, 10)];
        assert_eq!(rates(&timeline, |second| second.acknowledged), [(1.0, 10.0), (3.0, 5.0)]);
    }

    #[test]
    fn a_series_of_zeros_is_not_plotted() {
        let mut second = Second { at_s: 1.0, ..Second::default() };
        second.refusals[Refusal::ItemSold as usize] = 3;
        let plot = refusals(&[second]);
        assert!(plot.contains("item_sold") && !plot.contains("cart_full"), "{plot}");
    }
}
