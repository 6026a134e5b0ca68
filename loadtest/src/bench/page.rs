//! The results as one standalone HTML page with plots.

use super::results::{LoadResult, Results, Second};
use super::table;
use crate::chart::{Axis, Scale, Series, line_chart};
use crate::html::{describe, document, escape, number, section, thousands};

const COLOURS: [&str; 10] =
    ["#64748b", "#dc2626", "#2563eb", "#0d9488", "#65a30d", "#ea9216", "#a855f7", "#0ea5e9", "#f472b6", "#0f172a"];
/// The connections of the plot of the CPU time, if they were measured.
const USUAL_CONNECTIONS: usize = 64;

pub fn page(results: &Results) -> String {
    let title = format!("bench {}", results.started_at.format("%Y-%m-%d %H:%M UTC"));
    document(
        &title,
        &[head(&title, results), timeline(results), plots(results), loads(results), figures(results), facts(results)],
    )
}

fn head(title: &str, results: &Results) -> String {
    let (class, word) = if results.passed { ("pass", "PASS") } else { ("fail", "FAIL") };
    let about = format!(
        "{:.0} s, {}; client, service, Redis and PostgreSQL on the same cores",
        results.seconds,
        describe(&results.machine)
    );
    let failures = match results.failures.as_slice() {
        [] => String::new(),
        failures => format!("<section><h2>Failures</h2><pre>{}</pre></section>", escape(&failures.join("\n"))),
    };
    format!(
        r#"<h1><span class="badge {class}">{word}</span>{}</h1><p class="about">{}</p>{failures}"#,
        escape(title),
        escape(&about)
    )
}

/// Returns the plot of a flood.
fn timeline(results: &Results) -> String {
    if results.timeline.is_empty() {
        return String::new();
    }
    let series = |name: &str, colour, count: fn(&Second) -> u64| {
        let points = results.timeline.iter().enumerate().map(|(second, counts)| (second as f64, count(counts) as f64));
        Series { name: name.to_owned(), colour, points: points.collect() }
    };
    let lines = [
        series("purchases that became durable", COLOURS[3], |second| second.acknowledged),
        series("refused for now", COLOURS[1], |second| second.refused),
        series("answered", COLOURS[0], |second| second.answered),
    ];
    let chart = line_chart(&lines, Axis::Seconds(results.timeline.len() as f64), Scale::Linear);
    section("Flood", "Requests per second: peak, flood, and after it", &chart)
}

fn plots(results: &Results) -> String {
    if results.loads.is_empty() {
        return String::new();
    }
    let mut counts: Vec<usize> = results.loads.iter().map(|load| load.connections).collect();
    counts.sort_unstable();
    counts.dedup();
    let cpu = section("CPU time of a request", "Microseconds; sum of all cores", &cpu(results, &counts));
    let is_by_connections = counts.len() > 1 && results.loads.iter().any(|load| load.title != load.name);
    if !is_by_connections {
        return cpu;
    }
    let plot = |scale, value: fn(&LoadResult) -> f64| by_connections(results, &counts, scale, value);
    let charts = [
        section("Throughput", "Requests per second, by connections", &plot(Scale::Linear, |load| load.per_second)),
        section(
            "p99 latency",
            "Milliseconds, by connections; logarithmic",
            &plot(Scale::Logarithmic, |load| load.p99_ms),
        ),
        section("Ratio", "To a bare hyper server with as many connections", &plot(Scale::Linear, |load| load.ratio)),
    ];
    format!(r#"<div class="two">{}{cpu}</div>"#, charts.concat())
}

fn by_connections(results: &Results, counts: &[usize], scale: Scale, value: fn(&LoadResult) -> f64) -> String {
    let mut series: Vec<Series> = Vec::new();
    for load in &results.loads {
        let place = counts.iter().position(|count| *count == load.connections).unwrap_or(0) as f64;
        match series.iter_mut().find(|series| series.name == load.title) {
            Some(series) => series.points.push((place, value(load))),
            None => {
                let colour = COLOURS[series.len() % COLOURS.len()];
                series.push(Series { name: load.title.clone(), colour, points: vec![(place, value(load))] });
            }
        }
    }
    let names: Vec<String> = counts.iter().map(|count| thousands(*count as u64)).collect();
    line_chart(&series, Axis::Names(&names), scale)
}

/// Returns stacked bars of the CPU time, for the loads with the usual number of connections, or for all.
fn cpu(results: &Results, counts: &[usize]) -> String {
    let is_usual = |load: &&LoadResult| load.connections == USUAL_CONNECTIONS || !counts.contains(&USUAL_CONNECTIONS);
    let is_growth = results.loads.iter().all(|load| load.title == load.name);
    let shown: Vec<&LoadResult> = results.loads.iter().filter(|load| is_growth || is_usual(load)).collect();
    let longest = shown.iter().map(|load| load.cpu_us.without_client()).fold(1.0, f64::max);
    let parts = |load: &LoadResult| {
        let cpu = load.cpu_us;
        [
            ("service", cpu.service, COLOURS[2]),
            ("Redis", cpu.redis, COLOURS[1]),
            ("PostgreSQL", cpu.postgres, COLOURS[3]),
        ]
    };
    let legend: String = shown.first().map_or_else(String::new, |load| {
        let entry = |(name, _, colour)| format!(r#"<span><i style="background:{colour}"></i>{name}</span>"#);
        parts(load).map(entry).concat()
    });
    let row = |load: &&LoadResult| {
        let bar = |(_, micros, colour)| {
            let width = micros / longest * 100.0;
            format!(r#"<div class="bar" style="float:left;width:{width:.1}%;background:{colour}"></div>"#)
        };
        let (bars, sum) = (parts(load).map(bar).concat(), number(format!("{:.1}", load.cpu_us.without_client())));
        let title = format!("{}, {}", load.title, thousands(load.connections as u64));
        format!(r#"<tr><td>{}</td><td style="width:55%">{bars}</td>{sum}</tr>"#, escape(&title))
    };
    let rows: String = shown.iter().map(row).collect();
    format!(r#"<div class="legend">{legend}</div><table>{rows}</table>"#)
}

fn loads(results: &Results) -> String {
    if results.loads.is_empty() {
        return String::new();
    }
    let heads = table::HEADS.map(|head| format!(r#"<th class="number">{head}</th>"#)).concat();
    let row = |load: &LoadResult| {
        let cells: String = table::cells(load).map(number).concat();
        format!("<tr><td>{}</td>{cells}</tr>", escape(&load.title))
    };
    let rows: String = results.loads.iter().map(row).collect();
    section(
        "Loads",
        "Closed loop: every connection sends its next request when it has the response to the last one",
        &format!("<table><tr><th></th>{heads}</tr>{rows}</table>"),
    )
}

fn figures(results: &Results) -> String {
    if results.figures.is_empty() {
        return String::new();
    }
    let rows: String = results
        .figures
        .iter()
        .map(|figure| {
            let (what, value) = (escape(&figure.what), number(table::value(figure)));
            format!("<tr><td>{}</td><td>{what}</td>{value}</tr>", figure.title)
        })
        .collect();
    section("Other figures", "", &format!("<table>{rows}</table>"))
}

fn facts(results: &Results) -> String {
    let fact = |name: &str, value: &str| format!("<dt>{name}</dt><dd>{}</dd>", escape(value));
    format!(
        "<section><h2>Redis held for 2 ms or longer</h2><pre>{}</pre></section>\
         <section><h2>About this run</h2><dl>{}{}{}</dl></section>",
        escape(table::all_pauses(results).trim_end()),
        fact("Command", &results.command),
        fact("Service", &results.service),
        fact("Kernel", results.machine.kernel.as_deref().unwrap_or("unknown")),
    )
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::super::processes::CpuTimes;
    use super::*;
    use crate::machine::Machine;

    fn results() -> Results {
        let load = |connections| LoadResult {
            name: "purchase".to_owned(),
            title: "purchase, 1 unit".to_owned(),
            connections,
            requests: 10,
            per_second: 50.0,
            bare_per_second: 100.0,
            ratio: 0.5,
            of_live: None,
            p50_ms: 1.0,
            p99_ms: 2.0,
            p999_ms: 3.0,
            max_ms: 4.0,
            cpu_us: CpuTimes { service: 30.0, redis: 10.0, postgres: 20.0, client: 5.0 },
            retries: 6,
            unexpected: 0,
        };
        Results {
            started_at: DateTime::UNIX_EPOCH,
            seconds: 1.0,
            command: "bench".to_owned(),
            service: "flashsale".to_owned(),
            machine: Machine::detect(),
            passed: false,
            failures: vec!["purchase: <b>".to_owned()],
            loads: vec![load(1), load(64)],
            figures: Vec::new(),
            timeline: Vec::new(),
            pauses: Vec::new(),
        }
    }

    #[test]
    fn the_page_has_plots_and_no_external_references() {
        let page = page(&results());
        assert_eq!(page.matches("<svg").count(), 3);
        assert!(page.contains(">FAIL</span>bench") && page.contains("purchase: &lt;b&gt;"));
        assert!(page.contains(">purchase, 1 unit, 64<") && !page.contains(">purchase, 1 unit, 1<"));
        for reference in ["src=", "href=", "url(", "@import", "<script", "<link"] {
            assert!(!page.contains(reference), "{reference}");
        }
    }

    #[test]
    fn the_table_has_the_ratio_and_the_sum() {
        let text = table::markdown(&results());
        assert!(text.contains(
            "| purchase, 1 unit | 64 | 50 | 0.50 | - | 1.00 | 2.00 | 3.00 | 30.0 | 10.0 | 20.0 | 60.0 | 5.0 | 6 |"
        ));
        assert!(text.contains("nothing held Redis"), "{text}");
    }
}
