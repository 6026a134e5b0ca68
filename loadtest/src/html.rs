//! The report as one standalone HTML page: it needs no network and no other file.

use std::fmt::Display;

use crate::latency::Summary;
use crate::machine::Machine;
use crate::plots;
use crate::report::{ProfileReport, Report};
use crate::verdict::{Check, CheckResult};

const STYLE: &str = include_str!("page.css");
const UNKNOWN: &str = "unknown";

/// Returns the page.
pub fn page(report: &Report) -> String {
    let title = format!("{} {}", report.mode, report.started_at.format("%Y-%m-%d %H:%M UTC"));
    let body = [
        head(report),
        figures(report),
        checks(&report.checks),
        charts(report),
        tables(report),
        orders(report),
        facts(report),
    ];
    document(&title, &body)
}

/// Returns a page with this title and these parts.
pub fn document(title: &str, body: &[String]) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{}</title>\n\
         <style>\n{STYLE}</style></head><body><main>\n{}\n</main></body></html>\n",
        escape(title),
        body.join("\n")
    )
}

fn head(report: &Report) -> String {
    let (class, word) = if report.passed { ("pass", "PASS") } else { ("fail", "FAIL") };
    let when = report.started_at.format("%Y-%m-%d %H:%M:%S UTC");
    let about = format!("{}, {when}, {:.0} s, service: {}", report.load, report.seconds, report.service);
    format!(
        r#"<h1><span class="badge {class}">{word}</span>{}</h1><p class="about">{}</p>"#,
        escape(report.mode),
        escape(&about)
    )
}

fn figures(report: &Report) -> String {
    let figure = |value: String, label: String| format!("<div><b>{value}</b><span>{label}</span></div>");
    let sold_out = match report.sold_out_after_s() {
        Some(seconds) => format!("units bought; sold out after {seconds:.0} s"),
        None => format!("units bought, {:.1} per second", report.units_per_second()),
    };
    let figures = [
        figure(thousands(report.acknowledged), format!("purchases, {:.1} per second", report.purchases_per_second())),
        figure(thousands(report.units_acknowledged), sold_out),
        figure(format!("{:.1} ms", report.purchase_latency.p99_ms), "p99 latency of purchases".to_owned()),
        figure(format!("{:.0}/s", report.requests_per_second()), format!("{} requests", thousands(report.answers))),
        figure(thousands(report.refused()), "refusals (not purchases)".to_owned()),
        figure(thousands(report.unexpected), "unexpected errors".to_owned()),
    ];
    format!(r#"<div class="figures">{}</div>"#, figures.concat())
}

fn checks(checks: &[Check]) -> String {
    let row = |check: &Check| {
        let (class, word) = match check.result {
            CheckResult::Pass => ("pass", "pass"),
            CheckResult::Fail => ("fail", "FAIL"),
            CheckResult::Warning => ("warning", "warning"),
            CheckResult::NotRun => ("not_run", "not run"),
        };
        let [expected, found] = [&check.expected, &check.found].map(|text| escape(text));
        let name = escape(check.name);
        format!(r#"<tr><td class="result {class}">{word}</td><td>{name}</td><td>{expected}</td><td>{found}</td></tr>"#)
    };
    let rows: String = checks.iter().map(row).collect();
    format!(
        "<section><h2>Verdict</h2><table><tr><th></th><th>Check</th><th>Expected</th><th>Found</th></tr>{rows}\
         </table></section>"
    )
}

fn charts(report: &Report) -> String {
    let timeline = &report.timeline;
    let charts = [
        section("Units sold", "Since the start of the run", &plots::sold(timeline)),
        section("Purchases", "Acknowledged per second, all of them durable", &plots::purchases(timeline)),
        section("Requests", "Responses per second, by operation", &plots::requests(timeline)),
        section("Refusals", "Per second, by reason. Neither purchases nor errors", &plots::refusals(timeline)),
        section(
            "Purchase latency",
            "Milliseconds from the due time to the receipt, with retries; logarithmic scale",
            &plots::latencies(timeline, |second| second.purchase_latency),
        ),
        section(
            "Request latency",
            "Milliseconds from the due time to the response; logarithmic scale",
            &plots::latencies(timeline, |second| second.request_latency),
        ),
    ];
    format!(r#"<div class="two">{}</div>"#, charts.concat())
}

fn tables(report: &Report) -> String {
    let total = report.refused().max(1) as f64;
    let refusals = report.refusals.iter().filter(|(_, count)| **count > 0).map(|(refusal, count)| {
        let share = *count as f64 / total;
        format!(
            "<tr><td>{}</td>{}<td style=\"width:50%\">{}</td></tr>",
            refusal.code(),
            number(thousands(*count)),
            bar(share)
        )
    });
    let refusals: String = refusals.collect();
    format!(
        "{}<div class=\"two\">{}{}</div>",
        section(
            "Profiles",
            "Visits that reached each step, with their share of all visits",
            &profiles(&report.profiles)
        ),
        section("Latencies by operation", "Milliseconds from the due time of a request", &latencies(report)),
        section("Refusals by reason", "Total of the run", &format!("<table>{refusals}</table>")),
    )
}

/// Returns how the orders ended, if purchases had to be paid.
fn orders(report: &Report) -> String {
    let Some(orders) = &report.audit.orders else { return String::new() };
    let all = (orders.paid + orders.cancelled + orders.expired + orders.open).max(1);
    let row = |name: &str, count: u64| {
        let bar = bar(count as f64 / all as f64);
        format!("<tr><td>{name}</td>{}<td style=\"width:50%\">{bar}</td></tr>", number(thousands(count)))
    };
    let ends = [
        row("paid", orders.paid),
        row("cancelled", orders.cancelled),
        row("expired", orders.expired),
        row("not ended", orders.open),
    ];
    let charged = orders.provider.as_ref().map_or(String::new(), |provider| {
        let counts = [("charges", provider.charges), ("refunds", provider.refunds), ("declined", provider.declined)];
        counts.map(|(name, count)| format!("<tr><td>{name}</td>{}<td></td></tr>", number(thousands(count)))).concat()
    });
    let note = "Ends of the orders, and what the payment provider did. Units of unpaid orders were sold again";
    section("Orders", note, &format!("<table>{}{charged}</table>", ends.concat()))
}

fn profiles(profiles: &[ProfileReport]) -> String {
    let row = |profile: &ProfileReport| {
        let funnel = profile.funnel;
        let step = |count: u64| {
            let share = count as f64 / funnel.visits.max(1) as f64;
            format!(
                r#"<td style="width:19%">{}{} <span class="share">{:.0} %</span></td>"#,
                bar(share),
                thousands(count),
                share * 100.0
            )
        };
        let steps: String = [funnel.visits, funnel.chose_items, funnel.checked_out, funnel.bought].map(step).concat();
        format!("<tr><td>{}</td>{steps}{}</tr>", profile.name, number(thousands(funnel.units)))
    };
    let rows: String = profiles.iter().map(row).collect();
    format!(
        "<table><tr><th></th><th>visits</th><th>chose items</th><th>checked out</th><th>bought</th>\
         <th class=\"number\">units</th></tr>{rows}</table>"
    )
}

fn latencies(report: &Report) -> String {
    let row = |name: &str, summary: &Summary| {
        let times = [summary.p50_ms, summary.p95_ms, summary.p99_ms, summary.max_ms];
        let times: String = times.map(|ms| number(format!("{ms:.1}"))).concat();
        format!("<tr><td>{name}</td>{}{times}</tr>", number(thousands(summary.count)))
    };
    let mut rows: String = report.operations.iter().map(|operation| row(operation.name, &operation.latency)).collect();
    rows += &row("<b>purchase, with retries</b>", &report.purchase_latency);
    rows += &row("lateness of the load generator", &report.lateness);
    let heads = ["count", "p50", "p95", "p99", "max"].map(|head| format!(r#"<th class="number">{head}</th>"#)).concat();
    format!("<table><tr><th></th>{heads}</tr>{rows}</table>")
}

fn facts(report: &Report) -> String {
    let machine = describe(&report.machine);
    let fact = |name: &str, value: &dyn Display| format!("<dt>{name}</dt><dd>{}</dd>", escape(&value.to_string()));
    let sales = report.audit.sales.iter().map(|sale| format!("{} ({} units)", sale.id, sale.total_units));
    let facts = [
        fact("Command", &report.command),
        fact("Seed", &report.seed),
        fact("Machine", &machine),
        fact("Kernel", &report.machine.kernel.as_deref().unwrap_or(UNKNOWN)),
        fact("Service", &format!("{}, version {}", report.service, report.service_version)),
        fact("Sales", &sales.collect::<Vec<_>>().join(", ")),
        fact("Responses 503 and 429", &report.turned_away),
        fact("Shoppers who hung up and retried", &report.hung_up),
        fact("Repeated purchases", &report.repeats),
    ];
    let samples = match report.unexpected_samples.as_slice() {
        [] => String::new(),
        samples => format!("<section><h2>Unexpected errors</h2><pre>{}</pre></section>", escape(&samples.join("\n"))),
    };
    format!("{samples}<section><h2>About this run</h2><dl>{}</dl></section>", facts.concat())
}

pub fn describe(machine: &Machine) -> String {
    let cores = machine.cores.map_or(UNKNOWN.to_owned(), |cores| cores.to_string());
    let memory = machine.memory_gib.map_or(UNKNOWN.to_owned(), |gib| format!("{gib:.1} GiB"));
    let cpu = machine.cpu.as_deref().unwrap_or("CPU unknown");
    format!("cores: {cores}, memory: {memory}, {cpu}")
}

pub fn section(title: &str, note: &str, body: &str) -> String {
    format!(r#"<section><h2>{title}</h2><p class="note">{note}</p>{body}</section>"#)
}

fn bar(share: f64) -> String {
    format!(r#"<div class="bar" style="width:{:.1}%"></div>"#, share * 100.0)
}

pub fn number(text: String) -> String {
    format!(r#"<td class="number">{text}</td>"#)
}

/// Groups digits by thousands: 1,234,567.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use crate::order_audit::OrderAudit;
    use crate::report::tests::report;

    use super::*;

    #[test]
    fn the_page_has_no_external_references() {
        let page = page(&report());
        for reference in ["src=", "href=", "url(", "@import", "<script", "<link", "<iframe"] {
            assert!(!page.contains(reference), "{reference}");
        }
    }

    #[test]
    fn the_page_shows_the_verdict_the_checks_and_the_charts() {
        let mut report = report();
        let shown = page(&report);
        assert!(shown.contains(r#"<span class="badge pass">PASS</span>rush"#));
        assert_eq!(shown.matches("<svg").count(), 6);
        report.passed = false;
        report.checks[0].result = CheckResult::Fail;
        let shown = page(&report);
        assert!(shown.contains(r#"<span class="badge fail">FAIL</span>"#));
        assert!(shown.contains(r#"<td class="result fail">FAIL</td><td>shoppers bought something</td>"#), "{shown}");
    }

    #[test]
    fn the_page_shows_how_orders_ended() {
        let mut report = report();
        assert!(!page(&report).contains("<h2>Orders</h2>"));
        report.audit.orders = Some(OrderAudit { paid: 4_321, ..OrderAudit::default() });
        let shown = page(&report);
        assert!(shown.contains(r#"<td>paid</td><td class="number">4,321</td>"#), "{shown}");
    }

    #[test]
    fn text_of_the_service_is_escaped() {
        let mut report = report();
        report.unexpected_samples = vec!["GET / -> <script>alert(\"1\")</script>".to_owned()];
        assert!(page(&report).contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;"));
    }

    #[test]
    fn large_numbers_are_grouped() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }
}
