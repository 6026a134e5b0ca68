//! Audits the sales whose ledger this instance writes, one at a time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::application::sale::Shop;
use crate::application::sale::findings::Findings;
use crate::application::sale::live_sale::LiveSale;
use crate::application::sale::pace::Pace;
use crate::application::shared::StoreError;
use crate::domain::shared::SaleId;

use super::log;
use super::metrics::{AUDIT_DURATION, AUDIT_REDIS_TIME, AUDIT_SKIPPED, AUDITS, AuditResult, REPAIRS};

/// Pause from one audit of a sale to the next. With the duration of an audit, a difference in a sale of 10,000 is found
/// within ten seconds.
const AUDIT_EVERY: Duration = Duration::from_secs(3);

/// Pause after a repair, until an audit finds the sale sound: doubled each time, since what did not help once will hardly
/// help the next time, and each repair costs the sale a moment.
const FIRST_REPAIR_PAUSE: Duration = AUDIT_EVERY;
const LONGEST_REPAIR_PAUSE: Duration = Duration::from_secs(600);

/// Interval between checks for due audits.
const LOOK_EVERY: Duration = Duration::from_millis(250);

pub async fn run(shop: Arc<Shop>) {
    let mut agenda = Agenda::default();
    loop {
        let mut sales = shop.sales.all_live();
        sales.retain(|sale| sale.is_audited_here());
        agenda.update(sales.iter().map(|sale| sale.id()), Instant::now());
        let due = agenda.due(Instant::now());
        match sales.into_iter().find(|sale| Some(sale.id()) == due) {
            Some(sale) => {
                let (id, begun) = (sale.id(), Instant::now());
                let mut pace = Pace::of_an_audit();
                let result = shop.audit(&sale, &mut pace).await;
                let result = agenda.report(id, result);
                AUDITS.of(result).increment(1);
                AUDIT_DURATION.record(begun.elapsed().as_secs_f64());
                AUDIT_REDIS_TIME.record(pace.redis_time.as_secs_f64());
                AUDIT_SKIPPED.increment(pace.skipped);
                agenda.done(id, Instant::now());
                if let Some(findings) = agenda.repairable(id, Instant::now()) {
                    repair(&shop, &sale, findings).await;
                }
            }
            None => sleep(LOOK_EVERY).await,
        }
    }
}

async fn repair(shop: &Shop, live: &LiveSale, findings: Findings) {
    let sale = live.id();
    match shop.repair(live, findings).await {
        Ok(true) => {
            REPAIRS.increment(1);
            tracing::error!(%sale, %findings, "Redis differed from PostgreSQL: the sale is rebuilt");
        }
        Ok(false) => {
            tracing::error!(%sale, %findings, "these differences cannot be repaired: see the runbook SaleUnsound");
        }
        Err(error) => log::<(), _>(Err(error), "a sale that differs could not be repaired"),
    }
}

/// The sales to audit: when each is due, and what was found last.
#[derive(Debug, Default)]
struct Agenda(HashMap<SaleId, Entry>);

#[derive(Debug)]
struct Entry {
    due: Instant,
    known: Findings,
    /// The last repair since the sale was found sound, and the pause after it.
    repaired: Option<(Instant, Duration)>,
}

impl Agenda {
    /// Adds and removes sales.
    fn update(&mut self, sales: impl Iterator<Item = SaleId>, now: Instant) {
        let mut before = std::mem::take(&mut self.0);
        let new = || Entry { due: now + AUDIT_EVERY, known: Findings::default(), repaired: None };
        self.0 = sales.map(|id| (id, before.remove(&id).unwrap_or_else(new))).collect();
    }

    /// Returns the sale that has been due for the longest time.
    fn due(&self, now: Instant) -> Option<SaleId> {
        let due = self.0.iter().filter(|(_, entry)| entry.due <= now);
        due.min_by_key(|(_, entry)| entry.due).map(|(id, _)| *id)
    }

    /// Notes the end of an audit, and when the next one is due.
    fn done(&mut self, sale: SaleId, now: Instant) {
        if let Some(entry) = self.0.get_mut(&sale) {
            entry.due = now + AUDIT_EVERY;
        }
    }

    /// Returns what the last audit of a sale found, if that is to be repaired, and notes the repair.
    fn repairable(&mut self, sale: SaleId, now: Instant) -> Option<Findings> {
        let entry = self.0.get_mut(&sale)?;
        let pause = match entry.repaired {
            _ if entry.known.is_sound() => return None,
            Some((repaired, pause)) if now < repaired + pause => return None,
            Some((_, pause)) => (pause * 2).min(LONGEST_REPAIR_PAUSE),
            None => FIRST_REPAIR_PAUSE,
        };
        entry.repaired = Some((now, pause));
        Some(entry.known)
    }

    /// Logs the result, unless its faults are known already.
    fn report(&mut self, sale: SaleId, result: Result<Option<Findings>, StoreError>) -> AuditResult {
        let findings = match result {
            Ok(Some(findings)) => findings,
            Ok(None) => return AuditResult::Failed,
            Err(error) => {
                log::<(), _>(Err(error), "a sale could not be audited and is retried");
                return AuditResult::Failed;
            }
        };
        let known = self.0.get_mut(&sale).map(|entry| std::mem::replace(&mut entry.known, findings));
        if findings.is_sound() {
            self.0.entry(sale).and_modify(|entry| entry.repaired = None);
            return AuditResult::Sound;
        }
        if known.is_none_or(|known| known.faults() != findings.faults()) {
            tracing::error!(%sale, %findings, "the audit found differences between Redis, PostgreSQL and the rules");
        }
        AuditResult::Unsound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sales(count: usize) -> Vec<SaleId> {
        ["20261120T09", "20261120T10", "20261120T11"][..count].iter().map(|id| id.parse().unwrap()).collect()
    }

    #[test]
    fn sales_are_audited_in_turn() {
        let (mut agenda, start, ids) = (Agenda::default(), Instant::now(), sales(2));
        let at = |seconds| start + Duration::from_secs(seconds);
        agenda.update(ids.iter().copied().take(1), at(0));
        agenda.update(ids.iter().copied(), at(1));
        assert_eq!((agenda.due(at(2)), agenda.due(at(5))), (None, Some(ids[0])));
        agenda.done(ids[0], at(5));
        assert_eq!(agenda.due(at(5)), Some(ids[1]));
        agenda.done(ids[1], at(6));
        assert_eq!((agenda.due(at(7)), agenda.due(at(8))), (None, Some(ids[0])));
        agenda.update(ids.iter().copied().skip(1), at(8));
        assert_eq!((agenda.due(at(8)), agenda.due(at(9))), (None, Some(ids[1])));
    }

    #[test]
    fn a_sale_is_repaired_at_once_and_again_after_longer_and_longer_pauses() {
        let (mut agenda, start, id) = (Agenda::default(), Instant::now(), sales(1)[0]);
        let drift = Findings { sold: 7, drift: 1, ..Findings::default() };
        agenda.update([id].into_iter(), start);
        agenda.report(id, Ok(Some(Findings::default())));
        assert_eq!(agenda.repairable(id, start), None);
        agenda.report(id, Ok(Some(drift)));
        let mut repairs =
            (0..1_000).filter(|second| agenda.repairable(id, start + Duration::from_secs(*second)).is_some());
        assert_eq!(repairs.by_ref().take(6).collect::<Vec<_>>(), [0, 3, 9, 21, 45, 93]);
        drop(repairs);
        agenda.report(id, Ok(Some(Findings::default())));
        agenda.report(id, Ok(Some(drift)));
        assert_eq!(agenda.repairable(id, start + Duration::from_secs(94)), Some(drift), "this is another difference");
    }

    #[test]
    fn the_result_of_an_audit_is_sound_unsound_or_failed() {
        let (mut agenda, ids) = (Agenda::default(), sales(1));
        agenda.update(ids.iter().copied(), Instant::now());
        let drift = Findings { drift: 1, ..Findings::default() };
        let mut report = |result| agenda.report(ids[0], result);
        assert_eq!(report(Ok(Some(Findings::default()))), AuditResult::Sound);
        assert_eq!(report(Ok(Some(drift))), AuditResult::Unsound);
        assert_eq!(report(Ok(None)), AuditResult::Failed);
        assert_eq!(report(Err(StoreError::Fenced)), AuditResult::Failed);
    }
}
