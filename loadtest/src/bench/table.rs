//! The results as a table: on the terminal while the bench runs, and in Markdown.

use super::redis_server::Pauses;
use super::results::{Figure, LoadResult, Results};

pub const HEADS: [&str; 13] = [
    "conns",
    "requests/s",
    "ratio",
    "of live",
    "p50 ms",
    "p99 ms",
    "p99.9 ms",
    "service us",
    "Redis us",
    "PG us",
    "sum us",
    "client us",
    "retries",
];
const TITLE_WIDTH: usize = 34;
const WIDTH: usize = 11;

/// Returns the head of the table on the terminal.
pub fn head() -> String {
    line("", HEADS.map(str::to_owned))
}

/// Returns the line of a load on the terminal.
pub fn load(load: &LoadResult) -> String {
    line(&load.title, cells(load))
}

/// Returns the line of a figure on the terminal.
pub fn figure(figure: &Figure) -> String {
    format!("{:<TITLE_WIDTH$}  {}: {}", figure.title, figure.what, value(figure))
}

/// Returns the value of a figure with its unit.
pub fn value(figure: &Figure) -> String {
    match figure.value {
        None => "not measured: the limit of open files is too low".to_owned(),
        Some(value) if value >= 100.0 || value.fract() == 0.0 => format!("{value:.0} {}", figure.unit),
        Some(value) => format!("{value:.2} {}", figure.unit),
    }
}

/// Returns what held Redis in a row, on one line.
fn pauses(row: &str, pauses: &Pauses) -> String {
    let Pauses { slow_commands, samples, events } = pauses;
    let found = [samples.as_slice(), events.as_slice()].concat().join(", ");
    format!("{row}: SLOWLOG LEN {slow_commands}, LATENCY LATEST {}: {found}", events.len())
}

/// Returns what held Redis in all rows, a line each.
pub fn all_pauses(results: &Results) -> String {
    if results.pauses.is_empty() {
        return "SLOWLOG LEN 0, LATENCY LATEST empty: nothing held Redis for 2 ms\n".to_owned();
    }
    results.pauses.iter().map(|(row, held)| format!("- {}\n", pauses(row, held))).collect()
}

/// Returns the whole results in Markdown.
pub fn markdown(results: &Results) -> String {
    let mut text = format!("| row | {} |\n|---|{}\n", HEADS.join(" | "), "---:|".repeat(HEADS.len()));
    for load in &results.loads {
        text += &format!("| {} | {} |\n", load.title, cells(load).join(" | "));
    }
    text += "\n| row | | |\n|---|---|---:|\n";
    for figure in &results.figures {
        text += &format!("| {} | {} | {} |\n", figure.title, figure.what, value(figure));
    }
    text + "\n" + &all_pauses(results)
}

/// Returns the columns of a load.
pub fn cells(load: &LoadResult) -> [String; 13] {
    let cpu = load.cpu_us;
    [
        load.connections.to_string(),
        format!("{:.0}", load.per_second),
        format!("{:.2}", load.ratio),
        load.of_live.map_or_else(|| "-".to_owned(), |share| format!("{share:.2}")),
        format!("{:.2}", load.p50_ms),
        format!("{:.2}", load.p99_ms),
        format!("{:.2}", load.p999_ms),
        format!("{:.1}", cpu.service),
        format!("{:.1}", cpu.redis),
        format!("{:.1}", cpu.postgres),
        format!("{:.1}", cpu.without_client()),
        format!("{:.1}", cpu.client),
        load.retries.to_string(),
    ]
}

fn line(title: &str, cells: [String; 13]) -> String {
    let cells: String = cells.iter().map(|cell| format!("{cell:>WIDTH$}")).collect();
    format!("{title:<TITLE_WIDTH$}{cells}")
}
