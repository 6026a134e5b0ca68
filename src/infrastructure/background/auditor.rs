//! Audits the sales whose ledger this instance writes, one at a time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::application::sale::Shop;
use crate::application::sale::findings::Findings;
use crate::application::sale::live_sale::LiveSale;
use crate::application::shared::StoreError;
use crate::domain::shared::SaleId;

use super::log;
use super::metrics::{AUDIT_DURATION, AUDITS, AuditResult};
use super::supervisor::Supervisor;

/// Shortest time from one audit of a sale to the next. With the duration of an audit, a difference in a sale of 10,000
/// is found within ten seconds.
const AUDIT_EVERY: Duration = Duration::from_secs(5);

/// Pause after an audit, in multiples of its duration. Audits of a large sale take at most 1/20 of the time.
const AUDIT_SHARE: u32 = 20;

/// Longest pause between two audits.
const AUDIT_REST_MAX: Duration = Duration::from_secs(20);

/// Interval between checks for due audits.
const LOOK_EVERY: Duration = Duration::from_millis(250);

pub async fn run(shop: Arc<Shop>, supervisor: Supervisor) {
    let mut agenda = Agenda::default();
    loop {
        let mut sales = shop.sales.all_live();
        sales.retain(|sale| sale.is_audited_here());
        agenda.update(sales.iter().map(|sale| sale.id()), Instant::now());
        let due = agenda.due(Instant::now());
        match sales.into_iter().find(|sale| Some(sale.id()) == due) {
            Some(sale) => {
                let (id, begun) = (sale.id(), Instant::now());
                let result = audit(&shop, sale, &supervisor).await;
                let took = begun.elapsed();
                let result = agenda.report(id, result);
                AUDITS.of(result).increment(1);
                AUDIT_DURATION.record(took.as_secs_f64());
                agenda.done(id, Instant::now(), took);
            }
            None => sleep(LOOK_EVERY).await,
        }
    }
}

/// Audits a sale on a blocking thread: its comparison takes longer than a worker thread may be blocked.
async fn audit(shop: &Arc<Shop>, sale: Arc<LiveSale>, supervisor: &Supervisor) -> Result<Option<Findings>, StoreError> {
    // Ends the thread if this task ends.
    let stop = CancellationToken::new();
    let _stopped = stop.clone().drop_guard();
    let (shop, runtime) = (shop.clone(), Handle::current());
    let work = move || runtime.block_on(stop.run_until_cancelled(shop.audit(&sale)));
    supervisor.run_blocking(work).await.unwrap_or(Ok(None))
}

/// The sales to audit: when each is due, and what was found last.
#[derive(Debug, Default)]
struct Agenda(HashMap<SaleId, Entry>);

#[derive(Debug)]
struct Entry {
    due: Instant,
    known: Findings,
}

impl Agenda {
    /// Adds and removes sales.
    fn update(&mut self, sales: impl Iterator<Item = SaleId>, now: Instant) {
        let mut before = std::mem::take(&mut self.0);
        let new = || Entry { due: now + AUDIT_EVERY, known: Findings::default() };
        self.0 = sales.map(|id| (id, before.remove(&id).unwrap_or_else(new))).collect();
    }

    /// Returns the sale that has been due for the longest time.
    fn due(&self, now: Instant) -> Option<SaleId> {
        let due = self.0.iter().filter(|(_, entry)| entry.due <= now);
        due.min_by_key(|(_, entry)| entry.due).map(|(id, _)| *id)
    }

    /// Notes the end of an audit, and when the next one is due.
    fn done(&mut self, sale: SaleId, now: Instant, took: Duration) {
        if let Some(entry) = self.0.get_mut(&sale) {
            entry.due = now + (took * AUDIT_SHARE).clamp(AUDIT_EVERY, AUDIT_REST_MAX);
        }
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
    fn sales_are_audited_in_turn_and_large_ones_less_often() {
        let (mut agenda, start, ids) = (Agenda::default(), Instant::now(), sales(2));
        let at = |seconds| start + Duration::from_secs(seconds);
        agenda.update(ids.iter().copied().take(1), at(0));
        agenda.update(ids.iter().copied(), at(1));
        assert_eq!((agenda.due(at(4)), agenda.due(at(7))), (None, Some(ids[0])));
        agenda.done(ids[0], at(7), Duration::from_millis(10));
        assert_eq!(agenda.due(at(7)), Some(ids[1]));
        agenda.done(ids[1], at(8), Duration::from_secs(3));
        assert_eq!((agenda.due(at(12)), agenda.due(at(11))), (Some(ids[0]), None));
        agenda.update(ids.iter().copied().skip(1), at(12));
        assert_eq!((agenda.due(at(27)), agenda.due(at(28))), (None, Some(ids[1])));
        agenda.done(ids[1], at(28), Duration::from_millis(500));
        assert_eq!((agenda.due(at(37)), agenda.due(at(38))), (None, Some(ids[1])));
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
