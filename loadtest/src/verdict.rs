//! PASS or FAIL. Every check says what was expected and what was found.

use serde::Serialize;

use crate::audit::{Audit, SaleAudit};
use crate::modes::{Arrivals, Mode};
use crate::outcome::Operation;
use crate::recorder::Totals;
use crate::verify::Findings;

/// Beyond this a latency may be this client's fault.
const LATENESS_P99_MAX_MS: f64 = 10.0;

/// What a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Result {
    Pass,
    Fail,
    /// Does not decide, but read the figures with care.
    Warning,
    /// Could not be looked at in this run, which decides nothing.
    NotRun,
}

/// One thing that must be so.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    pub name: &'static str,
    pub expected: String,
    pub found: String,
    pub result: Result,
}

/// What a verdict is about.
pub struct Evidence<'a> {
    pub mode: &'a Mode,
    /// Nobody else buys from this service.
    pub is_private: bool,
    pub totals: &'a Totals,
    pub audit: &'a Audit,
    /// `None` where the stores of the service are not known.
    pub verified: Option<std::result::Result<Findings, String>>,
}

/// Whether the run is passed.
pub fn is_passed(checks: &[Check]) -> bool {
    checks.iter().all(|check| check.result != Result::Fail)
}

/// Every check.
pub fn checks(evidence: &Evidence) -> Vec<Check> {
    let mut checks = vec![
        something_was_bought(evidence),
        receipts_are_kept(evidence),
        nothing_is_open(evidence),
        sums_agree(evidence),
        none(
            "no item is sold more often than there is of it",
            of_sales(evidence, |sale| sale.oversold),
            "items oversold",
        ),
        limit_is_kept(evidence),
        none(
            "nobody is told that an item is sold which is there",
            of_sales(evidence, |sale| sale.refused_and_there),
            "items refused and there",
        ),
        repetitions_are_the_same(evidence),
        none("nothing unexpected happens", evidence.totals.unexpected, "unexpected errors"),
        few_are_turned_away(evidence),
        stores_agree(evidence),
        latency_goal(evidence),
        client_keeps_up(evidence),
    ];
    if let Arrivals::Rush { .. } = evidence.mode.arrivals {
        checks.push(sale_is_sold_out(evidence));
        checks.push(none("everybody who comes gets in", evidence.totals.turned_back, "arrivals turned back"));
    }
    checks
}

fn check(name: &'static str, expected: impl Into<String>, found: impl Into<String>, holds: bool) -> Check {
    let result = if holds { Result::Pass } else { Result::Fail };
    Check { name, expected: expected.into(), found: found.into(), result }
}

fn none(name: &'static str, found: u64, what: &str) -> Check {
    check(name, format!("0 {what}"), format!("{found} {what}"), found == 0)
}

fn of_sales(evidence: &Evidence, figure: impl Fn(&SaleAudit) -> u64) -> u64 {
    evidence.audit.sales.iter().map(figure).sum()
}

fn something_was_bought(evidence: &Evidence) -> Check {
    let (purchases, units) = (evidence.totals.acknowledged, evidence.totals.units_told);
    let found = format!("{purchases} purchases of {units} units");
    check("something is bought", "at least 1 purchase", found, purchases > 0)
}

fn receipts_are_kept(evidence: &Evidence) -> Check {
    let Audit { acknowledged, missing, different, failures, .. } = evidence.audit;
    let mut found = format!("of {acknowledged}: {missing} missing, {different} different");
    if let Some(failure) = failures.first() {
        found += &format!("; {} questions failed, such as {failure}", failures.len());
    }
    let holds = *missing == 0 && *different == 0 && failures.is_empty();
    check("every acknowledged purchase is found again", "0 missing, 0 different", found, holds)
}

fn nothing_is_open(evidence: &Evidence) -> Check {
    let Audit { doubtful, unknown, .. } = evidence.audit;
    let found = format!("of {doubtful} unanswered: {unknown} unknown");
    check("what became of every purchase is known", "0 unknown", found, *unknown == 0)
}

/// On a private service all that is sold was sold to these shoppers; elsewhere others buy, too.
fn sums_agree(evidence: &Evidence) -> Check {
    let sales = &evidence.audit.sales;
    let sold = |sale: &SaleAudit| sale.sold_after.saturating_sub(sale.sold_before);
    let (told, all_sold): (u64, u64) = sales.iter().fold((0, 0), |sum, sale| (sum.0 + sale.told, sum.1 + sold(sale)));
    let complete = told == evidence.totals.units_told;
    let found = format!("{told} units acknowledged, {all_sold} sold");
    match evidence.is_private {
        true => {
            let holds = complete && sales.iter().all(|sale| sale.told == sold(sale));
            check("the service sold what shoppers were told", "as many units sold as acknowledged", found, holds)
        }
        false => {
            let holds = complete && sales.iter().all(|sale| sale.told <= sold(sale));
            check("the service sold what shoppers were told", "no fewer units sold than acknowledged", found, holds)
        }
    }
}

fn limit_is_kept(evidence: &Evidence) -> Check {
    let over = of_sales(evidence, |sale| sale.owners_over_limit);
    let most = evidence.audit.sales.iter().map(|sale| sale.most_owned).max().unwrap_or(0);
    let limit = evidence.audit.sales.iter().map(|sale| sale.limit).max().unwrap_or(0);
    let found = format!("{over} over the limit; the most is {most}");
    check("nobody owns more of a sale than allowed", format!("at most {limit} units a user"), found, over == 0)
}

fn repetitions_are_the_same(evidence: &Evidence) -> Check {
    let Totals { repeats, wrong_repeats, .. } = evidence.totals;
    let found = format!("of {repeats}: {wrong_repeats} different");
    check("a purchase asked for again is answered the same", "0 different", found, *wrong_repeats == 0)
}

fn few_are_turned_away(evidence: &Evidence) -> Check {
    let (all, buying) = (&Operation::ALL[..], &[Operation::Purchase, Operation::BuyNow][..]);
    let share = |operations: &[Operation]| {
        evidence.totals.turned_away(operations) as f64 / evidence.totals.answers_to(operations).max(1) as f64
    };
    let most = evidence.mode.turned_away_max;
    let found = format!("{:.2} %, and {:.2} % of purchases", share(all) * 100.0, share(buying) * 100.0);
    let expected = format!("at most {} %, of purchases, too", most * 100.0);
    check("few are turned away by 503 or 429", expected, found, share(all).max(share(buying)) <= most)
}

fn stores_agree(evidence: &Evidence) -> Check {
    const NAME: &str = "`flashsale verify` finds nothing wrong";
    let expected = "lost=0 oversold=0 over_limit=0 drift=0";
    match &evidence.verified {
        None => Check {
            name: NAME,
            expected: expected.to_owned(),
            found: "not run: name the stores by DATABASE_URL and REDIS_URL, or by DATA_DIR".to_owned(),
            result: Result::NotRun,
        },
        Some(Err(error)) => check(NAME, expected, format!("it did not run: {error}"), false),
        Some(Ok(Findings { sold, lost, oversold, over_limit, drift })) => {
            let found = format!("sold={sold} lost={lost} oversold={oversold} over_limit={over_limit} drift={drift}");
            let sound = lost + oversold + over_limit + drift == 0;
            let told = evidence.totals.units_told;
            let complete = if evidence.is_private { *sold == told } else { *sold >= told };
            let at_least = if evidence.is_private { "" } else { ">" };
            check(NAME, format!("sold{at_least}={told} {expected}"), found, sound && complete)
        }
    }
}

fn latency_goal(evidence: &Evidence) -> Check {
    let goal_ms = evidence.mode.goal_p99.as_secs_f64() * 1e3;
    let summary = evidence.totals.buying.summary();
    let given_up = evidence.totals.given_up;
    let found = format!("p99 {:.1} ms of {} purchases, {given_up} of them given up", summary.p99_ms, summary.count);
    check("purchases are acknowledged in time", format!("p99 below {goal_ms:.0} ms"), found, summary.p99_ms < goal_ms)
}

fn client_keeps_up(evidence: &Evidence) -> Check {
    let summary = evidence.totals.lateness.summary();
    let keeps_up = summary.p99_ms <= LATENESS_P99_MAX_MS;
    Check {
        name: "this client keeps up",
        expected: format!("p99 of its own lateness below {LATENESS_P99_MAX_MS:.0} ms"),
        found: format!("p50 {:.1} ms, p99 {:.1} ms", summary.p50_ms, summary.p99_ms),
        result: if keeps_up { Result::Pass } else { Result::Warning },
    }
}

fn sale_is_sold_out(evidence: &Evidence) -> Check {
    let left: Vec<u64> =
        evidence.audit.sales.iter().map(|sale| sale.total_units.saturating_sub(sale.sold_after)).collect();
    let sold_out = left.contains(&0);
    let found = format!("{} units left", left.iter().min().copied().unwrap_or(0));
    check("the sale is sold out", "0 units left", found, sold_out)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::modes;
    use crate::outcome::Outcome;
    use crate::recorder::Recorder;

    use super::*;

    const SOUND: Findings = Findings { sold: 10, lost: 0, oversold: 0, over_limit: 0, drift: 0 };

    /// Everything that a verdict is made from, for a run in which all went well and all 10 units were sold.
    struct Run {
        mode: Mode,
        recorder: Recorder,
        audit: Audit,
        is_private: bool,
        verified: Option<std::result::Result<Findings, String>>,
    }

    impl Run {
        fn sound() -> Self {
            let recorder = Recorder::new();
            (0..5).for_each(|_| recorder.acknowledged(2, Duration::from_millis(3)));
            let sale = SaleAudit {
                id: "s".to_owned(),
                total_units: 10,
                sold_before: 0,
                sold_after: 10,
                told: 10,
                oversold: 0,
                refused_and_there: 0,
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
            self.recorder.look(|totals| checks(&Evidence { mode, is_private, totals, audit, verified }))
        }

        fn with(change: impl FnOnce(&mut Run)) -> Self {
            let mut run = Run::sound();
            change(&mut run);
            run
        }
    }

    /// The check of this name alone fails when this is changed.
    #[track_caller]
    fn fails(name: &str, change: impl FnOnce(&mut Run)) {
        let checks = Run::with(change).checks();
        let failed: Vec<_> =
            checks.iter().filter(|check| check.result == Result::Fail).map(|check| check.name).collect();
        assert!(failed.contains(&name), "{name} is not in {failed:?}");
        assert!(!is_passed(&checks));
    }

    #[test]
    fn a_sound_run_passes_every_check() {
        let checks = Run::sound().checks();
        assert!(checks.iter().all(|check| check.result == Result::Pass), "{checks:#?}");
        assert!(is_passed(&checks));
    }

    #[test]
    fn each_check_fails_when_it_should() {
        fails("something is bought", |run| run.recorder = Recorder::new());
        fails("every acknowledged purchase is found again", |run| run.audit.missing = 1);
        fails("every acknowledged purchase is found again", |run| run.audit.different = 1);
        fails("every acknowledged purchase is found again", |run| run.audit.failures.push("no answer".to_owned()));
        fails("what became of every purchase is known", |run| run.audit.unknown = 1);
        fails("the service sold what shoppers were told", |run| run.audit.sales[0].sold_after = 9);
        fails("the service sold what shoppers were told", |run| run.audit.sales[0].sold_after = 11);
        fails("the service sold what shoppers were told", |run| run.audit.sales.clear());
        fails("no item is sold more often than there is of it", |run| run.audit.sales[0].oversold = 1);
        fails("nobody owns more of a sale than allowed", |run| run.audit.sales[0].owners_over_limit = 1);
        fails("nobody is told that an item is sold which is there", |run| run.audit.sales[0].refused_and_there = 1);
        fails("a purchase asked for again is answered the same", |run| {
            run.recorder.count(|totals| totals.wrong_repeats = 1);
        });
        fails("nothing unexpected happens", |run| run.recorder.unexpected("500".to_owned()));
        for operation in [Operation::Look, Operation::Purchase] {
            fails("few are turned away by 503 or 429", |run| {
                let answered = |outcome| run.recorder.answered(operation, outcome, Duration::from_millis(1));
                (0..98).for_each(|_| answered(Outcome::Done));
                (0..2).for_each(|_| answered(Outcome::TurnedAway));
            });
        }
        fails("few are turned away by 503 or 429", |run| {
            let answered = |operation, outcome| run.recorder.answered(operation, outcome, Duration::from_millis(1));
            (0..1_000).for_each(|_| answered(Operation::Look, Outcome::Done));
            answered(Operation::BuyNow, Outcome::TurnedAway);
        });
        fails("purchases are acknowledged in time", |run| run.recorder.gave_up(Duration::from_secs(5)));
        fails("purchases are acknowledged in time", |run| run.mode.goal_p99 = Duration::from_millis(3));
        fails("the sale is sold out", |run| run.audit.sales[0].total_units = 11);
        fails("everybody who comes gets in", |run| run.recorder.count(|totals| totals.turned_back = 1));
    }

    #[test]
    fn what_verify_finds_fails_the_run_and_so_does_a_verify_that_cannot_run() {
        const NAME: &str = "`flashsale verify` finds nothing wrong";
        for wrong in [
            Findings { sold: 9, ..SOUND },
            Findings { lost: 1, ..SOUND },
            Findings { oversold: 1, ..SOUND },
            Findings { over_limit: 1, ..SOUND },
            Findings { drift: 1, ..SOUND },
        ] {
            fails(NAME, |run| run.verified = Some(Ok(wrong)));
        }
        fails(NAME, |run| run.verified = Some(Err("no such file".to_owned())));
    }

    #[test]
    fn on_a_shared_service_others_may_buy_too_and_verify_may_be_missing() {
        let others_bought = Run::with(|run| {
            run.is_private = false;
            run.audit.sales[0].told = 10;
            (run.audit.sales[0].sold_after, run.audit.sales[0].total_units) = (12, 12);
            run.verified = None;
        });
        let checks = others_bought.checks();
        assert!(is_passed(&checks), "{checks:#?}");
        assert_eq!(checks.iter().filter(|check| check.result == Result::NotRun).count(), 1);
        fails("the service sold what shoppers were told", |run| {
            run.is_private = false;
            run.audit.sales[0].sold_before = 1;
        });
    }

    #[test]
    fn a_client_that_is_late_warns_and_decides_nothing() {
        let run = Run::sound();
        run.recorder.count(|totals| totals.lateness.record(Duration::from_millis(50)));
        let checks = run.checks();
        assert!(checks.iter().any(|check| check.result == Result::Warning));
        assert!(is_passed(&checks));
    }
}
