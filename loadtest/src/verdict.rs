//! The verdict: PASS or FAIL. Every check states the expected and the actual result.

use serde::Serialize;

use crate::api::ProviderReport;
use crate::audit::{Audit, SaleAudit};
use crate::modes::{Arrivals, Mode};
use crate::order_audit::OrderAudit;
use crate::outcome::Operation;
use crate::recorder::Totals;
use crate::verify::Findings;

/// Above this lateness, measured latencies may be caused by the load generator.
const LATENESS_P99_MAX_MS: f64 = 10.0;

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckResult {
    Pass,
    Fail,
    /// Does not fail the run, but the figures may be unreliable.
    Warning,
    /// Was not possible in this run. Does not fail it.
    NotRun,
}

/// One check of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    pub name: &'static str,
    pub expected: String,
    pub found: String,
    pub result: CheckResult,
}

/// The data that the checks evaluate.
pub struct Evidence<'a> {
    pub mode: &'a Mode,
    /// True if nobody else buys from this service.
    pub is_private: bool,
    pub totals: &'a Totals,
    pub audit: &'a Audit,
    /// The result of `flashsale verify`, or `None` if the stores of the service are not known.
    pub verified: Option<Result<Findings, String>>,
}

/// Returns true if no check failed.
pub fn is_passed(checks: &[Check]) -> bool {
    checks.iter().all(|check| check.result != CheckResult::Fail)
}

/// Runs every check.
pub fn checks(evidence: &Evidence) -> Vec<Check> {
    let mut checks = vec![
        shoppers_bought_something(evidence),
        purchases_are_shown(evidence),
        outcomes_are_known(evidence),
        units_match(evidence),
        free_and_owned_units_equal_the_stock(evidence),
        expect_zero("no item is oversold", sum_over_sales(evidence, |sale| sale.oversold), "items oversold"),
        no_user_exceeds_the_limit(evidence),
        expect_zero(
            "no available item was refused as sold",
            sum_over_sales(evidence, |sale| sale.refused_but_available),
            "items refused although available",
        ),
        repeated_purchases_match(evidence),
        expect_zero("no unexpected errors", evidence.totals.unexpected, "unexpected errors"),
        few_requests_are_turned_away(evidence),
        verify_reports_no_problems(evidence),
        purchases_meet_the_latency_goal(evidence),
        load_generator_keeps_up(evidence),
    ];
    if let Arrivals::Rush { .. } = evidence.mode.arrivals {
        checks.push(sale_sold_out(evidence));
        checks.push(expect_zero("no arrivals were dropped", evidence.totals.dropped_arrivals, "arrivals dropped"));
    }
    if let Some(orders) = &evidence.audit.orders {
        checks.push(expect_zero("every order has ended", orders.open, "orders open"));
        checks.push(charges_match_the_paid_orders(orders));
    }
    checks
}

fn check(name: &'static str, expected: impl Into<String>, found: impl Into<String>, holds: bool) -> Check {
    let result = if holds { CheckResult::Pass } else { CheckResult::Fail };
    Check { name, expected: expected.into(), found: found.into(), result }
}

fn expect_zero(name: &'static str, found: u64, unit: &str) -> Check {
    check(name, format!("0 {unit}"), format!("{found} {unit}"), found == 0)
}

fn sum_over_sales(evidence: &Evidence, figure: impl Fn(&SaleAudit) -> u64) -> u64 {
    evidence.audit.sales.iter().map(figure).sum()
}

fn shoppers_bought_something(evidence: &Evidence) -> Check {
    let (purchases, units) = (evidence.totals.acknowledged, evidence.totals.units_acknowledged);
    let found = format!("{purchases} purchases, {units} units");
    check("shoppers bought something", "at least 1 purchase", found, purchases > 0)
}

fn purchases_are_shown(evidence: &Evidence) -> Check {
    let Audit { acknowledged, missing, different, failures, .. } = evidence.audit;
    let mut found = format!("of {acknowledged}: {missing} missing, {different} different");
    if let Some(failure) = failures.first() {
        found += &format!("; {} errors of the audit, the first: {failure}", failures.len());
    }
    let holds = *missing == 0 && *different == 0 && failures.is_empty();
    check("the service shows every acknowledged purchase", "0 missing, 0 different", found, holds)
}

fn outcomes_are_known(evidence: &Evidence) -> Check {
    let Audit { unresolved, unknown, .. } = evidence.audit;
    let found = format!("of {unresolved} requests without an outcome: {unknown} still unknown");
    check("the outcome of every purchase is known", "0 unknown", found, *unknown == 0)
}

/// A private service sells only to these shoppers. On another service the units sold may be higher.
fn units_match(evidence: &Evidence) -> Check {
    let sales = &evidence.audit.sales;
    let sold = |sale: &SaleAudit| sale.sold_after.saturating_sub(sale.sold_before);
    let (owned, returned) = (owned_units(evidence), sum_over_sales(evidence, |sale| sale.units_returned));
    let complete = owned + returned == evidence.totals.units_acknowledged;
    let all_sold: u64 = sales.iter().map(sold).sum();
    let gave_back = if returned > 0 { format!(", of which orders gave {returned} back") } else { String::new() };
    let found = format!("{} units acknowledged{gave_back}, {all_sold} sold", owned + returned);
    match evidence.is_private {
        true => {
            let holds = complete && sales.iter().all(|sale| sale.units_owned == sold(sale));
            check("the units sold match the units acknowledged", "as many units sold as acknowledged", found, holds)
        }
        false => {
            let holds = complete && sales.iter().all(|sale| sale.units_owned <= sold(sale));
            check(
                "the units sold match the units acknowledged",
                "at least as many units sold as acknowledged",
                found,
                holds,
            )
        }
    }
}

/// On another service than a private one others own units too.
fn free_and_owned_units_equal_the_stock(evidence: &Evidence) -> Check {
    let (mut stock, mut free, mut owned) = (0, 0, 0);
    for sale in &evidence.audit.sales {
        stock += sale.stock;
        free += sale.units_free;
        owned += sale.sold_before + sale.units_owned;
    }
    let holds = if evidence.is_private { free + owned == stock } else { free + owned <= stock };
    let expected = if evidence.is_private { format!("{stock} units") } else { format!("at most {stock} units") };
    check("free and owned units equal the stock", expected, format!("{free} free, {owned} owned"), holds)
}

/// A provider whose report is not known proves nothing.
fn charges_match_the_paid_orders(orders: &OrderAudit) -> Check {
    const NAME: &str = "the charges equal the totals of the paid orders";
    let expected = format!("{} for {} orders, 0 charged twice", money(orders.paid_minor as i64), orders.paid);
    let Some(report) = &orders.provider else {
        let found = "not run: the payment provider is not known".to_owned();
        return Check { name: NAME, expected, found, result: CheckResult::NotRun };
    };
    let ProviderReport { charges, refunds, double_charges, .. } = report;
    let net = money(report.net());
    let found = format!("{net} in {charges} charges less {refunds} refunds, {double_charges} charged twice");
    let holds = u64::try_from(report.net()) == Ok(orders.paid_minor)
        && charges - refunds == orders.paid
        && *double_charges == 0;
    check(NAME, expected, found, holds)
}

/// Returns an amount in minor units as people write it.
fn money(minor: i64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}

fn owned_units(evidence: &Evidence) -> u64 {
    sum_over_sales(evidence, |sale| sale.units_owned)
}

fn no_user_exceeds_the_limit(evidence: &Evidence) -> Check {
    let over = sum_over_sales(evidence, |sale| sale.owners_over_limit);
    let most = evidence.audit.sales.iter().map(|sale| sale.most_owned).max().unwrap_or(0);
    let limit = evidence.audit.sales.iter().map(|sale| sale.limit).max().unwrap_or(0);
    let found = format!("{over} users over the limit; the highest is {most}");
    check("no user exceeds the limit", format!("at most {limit} units per user"), found, over == 0)
}

fn repeated_purchases_match(evidence: &Evidence) -> Check {
    let Totals { repeats, wrong_repeats, .. } = evidence.totals;
    let found = format!("of {repeats}: {wrong_repeats} different");
    check("repeated purchases get the same receipt", "0 different", found, *wrong_repeats == 0)
}

fn few_requests_are_turned_away(evidence: &Evidence) -> Check {
    let (all, buying) = (&Operation::ALL[..], &[Operation::Purchase, Operation::BuyNow][..]);
    let share = |operations: &[Operation]| {
        evidence.totals.turned_away(operations) as f64 / evidence.totals.answers_to(operations).max(1) as f64
    };
    let most = evidence.mode.turned_away_max;
    let found = format!("{:.2} % of requests, {:.2} % of purchases", share(all) * 100.0, share(buying) * 100.0);
    let expected = format!("at most {} % of requests and of purchases", most * 100.0);
    check("few requests get 503 or 429", expected, found, share(all).max(share(buying)) <= most)
}

fn verify_reports_no_problems(evidence: &Evidence) -> Check {
    const NAME: &str = "`flashsale verify` finds no problems";
    let expected = "lost=0 oversold=0 over_limit=0 drift=0 unreturned=0 overdue=0 paid_and_released=0 unsettled=0";
    match &evidence.verified {
        None => Check {
            name: NAME,
            expected: expected.to_owned(),
            found: "not run: set DATABASE_URL and REDIS_URL, or DATA_DIR".to_owned(),
            result: CheckResult::NotRun,
        },
        Some(Err(error)) => check(NAME, expected, format!("it failed: {error}"), false),
        Some(Ok(findings)) => {
            let (sold, sound) = (findings.sold, findings.is_sound());
            let owned = owned_units(evidence);
            let complete = if evidence.is_private { sold == owned } else { sold >= owned };
            let at_least = if evidence.is_private { "" } else { ">" };
            check(NAME, format!("sold{at_least}={owned} {expected}"), findings.to_string(), sound && complete)
        }
    }
}

fn purchases_meet_the_latency_goal(evidence: &Evidence) -> Check {
    let goal_ms = evidence.mode.goal_p99.as_secs_f64() * 1e3;
    let summary = evidence.totals.purchase_latencies.summary();
    let given_up = evidence.totals.given_up;
    let found = format!("p99 {:.1} ms of {} purchases, {given_up} of them given up", summary.p99_ms, summary.count);
    check("purchases meet the latency goal", format!("p99 below {goal_ms:.0} ms"), found, summary.p99_ms < goal_ms)
}

fn load_generator_keeps_up(evidence: &Evidence) -> Check {
    let summary = evidence.totals.lateness.summary();
    let keeps_up = summary.p99_ms <= LATENESS_P99_MAX_MS;
    Check {
        name: "the load generator keeps up",
        expected: format!("p99 of its lateness at most {LATENESS_P99_MAX_MS:.0} ms"),
        found: format!("p50 {:.1} ms, p99 {:.1} ms", summary.p50_ms, summary.p99_ms),
        result: if keeps_up { CheckResult::Pass } else { CheckResult::Warning },
    }
}

fn sale_sold_out(evidence: &Evidence) -> Check {
    let left: Vec<u64> =
        evidence.audit.sales.iter().map(|sale| sale.total_units.saturating_sub(sale.sold_after)).collect();
    // Orders may have given units back since.
    let sold_out = left.contains(&0) || evidence.totals.timeline.iter().any(|second| second.units_remaining == 0);
    let found = left.iter().min().map_or("no sale audited".to_owned(), |units| format!("{units} units left"));
    check("the sale sold out", "0 units left", found, sold_out)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::modes;
    use crate::outcome::Outcome;
    use crate::recorder::Recorder;

    use super::*;

    const SOUND: Findings = Findings {
        sold: 10,
        lost: 0,
        oversold: 0,
        over_limit: 0,
        drift: 0,
        unreturned: 0,
        overdue: 0,
        paid_and_released: 0,
        unsettled: 0,
    };

    /// The evidence of a run. A sound run sold all 10 units without an error.
    struct Run {
        mode: Mode,
        recorder: Recorder,
        audit: Audit,
        is_private: bool,
        verified: Option<Result<Findings, String>>,
    }

    impl Run {
        fn sound() -> Self {
            let recorder = Recorder::new();
            (0..5).for_each(|_| recorder.record_acknowledged(2, Duration::from_millis(3)));
            let sale = SaleAudit {
                id: "s".to_owned(),
                total_units: 10,
                sold_before: 0,
                sold_after: 10,
                units_owned: 10,
                units_returned: 0,
                stock: 10,
                units_free: 0,
                oversold: 0,
                refused_but_available: 0,
                owners_over_limit: 0,
                most_owned: 2,
                limit: 10,
            };
            let audit = Audit { sales: vec![sale], acknowledged: 5, ..Audit::default() };
            let mode = modes::find("rush").unwrap();
            Run { mode, recorder, audit, is_private: true, verified: Some(Ok(SOUND)) }
        }

        fn checks(&self) -> Vec<Check> {
            let (mode, audit, verified) = (&self.mode, &self.audit, self.verified.clone());
            let is_private = self.is_private;
            self.recorder.read(|totals| checks(&Evidence { mode, is_private, totals, audit, verified }))
        }

        fn with(change: impl FnOnce(&mut Run)) -> Self {
            let mut run = Run::sound();
            change(&mut run);
            run
        }
    }

    /// Asserts that this change makes the check with this name fail.
    #[track_caller]
    fn fails(name: &str, change: impl FnOnce(&mut Run)) {
        let checks = Run::with(change).checks();
        let failed: Vec<_> =
            checks.iter().filter(|check| check.result == CheckResult::Fail).map(|check| check.name).collect();
        assert!(failed.contains(&name), "{name} is not in {failed:?}");
        assert!(!is_passed(&checks));
    }

    #[test]
    fn a_sound_run_passes_every_check() {
        let checks = Run::sound().checks();
        assert!(checks.iter().all(|check| check.result == CheckResult::Pass), "{checks:#?}");
        assert!(is_passed(&checks));
    }

    #[test]
    fn each_check_fails_when_it_should() {
        fails("shoppers bought something", |run| run.recorder = Recorder::new());
        fails("the service shows every acknowledged purchase", |run| run.audit.missing = 1);
        fails("the service shows every acknowledged purchase", |run| run.audit.different = 1);
        fails("the service shows every acknowledged purchase", |run| run.audit.failures.push("no response".to_owned()));
        fails("the outcome of every purchase is known", |run| run.audit.unknown = 1);
        fails("the units sold match the units acknowledged", |run| run.audit.sales[0].sold_after = 9);
        fails("the units sold match the units acknowledged", |run| run.audit.sales[0].sold_after = 11);
        fails("the units sold match the units acknowledged", |run| run.audit.sales.clear());
        fails("the units sold match the units acknowledged", |run| run.audit.sales[0].units_returned = 1);
        fails("free and owned units equal the stock", |run| run.audit.sales[0].units_free = 1);
        fails("free and owned units equal the stock", |run| run.audit.sales[0].stock = 11);
        fails("no item is oversold", |run| run.audit.sales[0].oversold = 1);
        fails("no user exceeds the limit", |run| run.audit.sales[0].owners_over_limit = 1);
        fails("no available item was refused as sold", |run| run.audit.sales[0].refused_but_available = 1);
        fails("repeated purchases get the same receipt", |run| {
            run.recorder.update(|totals| totals.wrong_repeats = 1);
        });
        fails("no unexpected errors", |run| run.recorder.record_unexpected("500".to_owned()));
        for operation in [Operation::Look, Operation::Purchase] {
            fails("few requests get 503 or 429", |run| {
                let answered = |outcome| run.recorder.record_response(operation, outcome, Duration::from_millis(1));
                (0..98).for_each(|_| answered(Outcome::Done));
                (0..2).for_each(|_| answered(Outcome::TurnedAway));
            });
        }
        fails("few requests get 503 or 429", |run| {
            let answered =
                |operation, outcome| run.recorder.record_response(operation, outcome, Duration::from_millis(1));
            (0..1_000).for_each(|_| answered(Operation::Look, Outcome::Done));
            answered(Operation::BuyNow, Outcome::TurnedAway);
        });
        fails("purchases meet the latency goal", |run| run.recorder.record_given_up(Duration::from_secs(5)));
        fails("purchases meet the latency goal", |run| run.mode.goal_p99 = Duration::from_millis(3));
        fails("the sale sold out", |run| run.audit.sales[0].total_units = 11);
        fails("no arrivals were dropped", |run| run.recorder.update(|totals| totals.dropped_arrivals = 1));
    }

    #[test]
    fn a_problem_found_by_verify_or_a_failed_verify_fails_the_run() {
        const NAME: &str = "`flashsale verify` finds no problems";
        for wrong in [
            Findings { sold: 9, ..SOUND },
            Findings { lost: 1, ..SOUND },
            Findings { oversold: 1, ..SOUND },
            Findings { over_limit: 1, ..SOUND },
            Findings { drift: 1, ..SOUND },
            Findings { unreturned: 1, ..SOUND },
            Findings { overdue: 1, ..SOUND },
            Findings { paid_and_released: 1, ..SOUND },
            Findings { unsettled: 1, ..SOUND },
        ] {
            fails(NAME, |run| run.verified = Some(Ok(wrong)));
        }
        fails(NAME, |run| run.verified = Some(Err("no such file".to_owned())));
    }

    #[test]
    fn on_a_shared_service_others_may_buy_and_verify_may_be_missing() {
        let others_bought = Run::with(|run| {
            run.is_private = false;
            run.audit.sales[0].units_owned = 10;
            (run.audit.sales[0].sold_after, run.audit.sales[0].total_units) = (12, 12);
            run.verified = None;
        });
        let checks = others_bought.checks();
        assert!(is_passed(&checks), "{checks:#?}");
        assert_eq!(checks.iter().filter(|check| check.result == CheckResult::NotRun).count(), 1);
        fails("the units sold match the units acknowledged", |run| {
            run.is_private = false;
            run.audit.sales[0].sold_before = 1;
        });
    }

    /// Changes a sound run into one of which 4 orders are paid, and one was given back and bought again.
    fn with_orders(change: impl FnOnce(&mut OrderAudit)) -> impl FnOnce(&mut Run) {
        |run| {
            run.recorder.update(|totals| totals.units_acknowledged += 2);
            run.audit.sales[0].units_returned = 2;
            let provider = ProviderReport {
                charges: 6,
                refunds: 1,
                net_minor: [("EUR".to_owned(), 1_234)].into(),
                ..ProviderReport::default()
            };
            let mut orders = OrderAudit { paid: 5, expired: 1, paid_minor: 1_234, ..OrderAudit::default() };
            orders.provider = Some(provider);
            change(&mut orders);
            run.audit.orders = Some(orders);
        }
    }

    #[test]
    fn orders_must_end_and_be_charged_once() {
        const CHARGES: &str = "the charges equal the totals of the paid orders";
        let checks = Run::with(with_orders(|_| ())).checks();
        assert!(is_passed(&checks), "{checks:#?}");
        fails("every order has ended", with_orders(|orders| orders.open = 1));
        fails(CHARGES, with_orders(|orders| orders.paid_minor += 1));
        fails(CHARGES, with_orders(|orders| orders.paid += 1));
        fails(CHARGES, with_orders(|orders| orders.provider.as_mut().unwrap().double_charges = 1));
        let unknown = Run::with(with_orders(|orders| orders.provider = None)).checks();
        let result = unknown.iter().find(|check| check.name == CHARGES).unwrap().result;
        assert_eq!(result, CheckResult::NotRun);
    }

    #[test]
    fn a_late_load_generator_causes_only_a_warning() {
        let run = Run::sound();
        run.recorder.update(|totals| totals.lateness.record(Duration::from_millis(50)));
        let checks = run.checks();
        assert!(checks.iter().any(|check| check.result == CheckResult::Warning));
        assert!(is_passed(&checks));
    }
}
