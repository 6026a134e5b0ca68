//! Which ledger entries are durable, and who waits for them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::domain::LedgerId;

use super::ports::Rejection;

/// What became of a ledger entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Committed in PostgreSQL.
    Persisted,
    /// Refused by PostgreSQL for itself, so that it does not count.
    Rejected(Rejection),
}

/// The persisted watermark of one sale as this instance knows it, and the purchases that wait for it.
/// Each of them is woken by its own ledger id.
#[derive(Debug, Default)]
pub struct Confirmations {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    persisted: LedgerId,
    rejected: BTreeMap<LedgerId, Rejection>,
    /// What the ledger has and the archive has not, and since when that is known.
    unarchived: BTreeMap<LedgerId, Instant>,
    /// Who waits for which entry, and since when.
    waiting: BTreeMap<LedgerId, Vec<(Instant, oneshot::Sender<Verdict>)>>,
}

impl State {
    fn verdict(&self, id: LedgerId) -> Option<Verdict> {
        match self.rejected.get(&id) {
            Some(rejection) => Some(Verdict::Rejected(*rejection)),
            None => (id <= self.persisted).then_some(Verdict::Persisted),
        }
    }
}

impl Confirmations {
    /// Notes entries that are in the ledger.
    pub fn note(&self, ids: impl Iterator<Item = LedgerId>) {
        let mut state = self.state();
        let (persisted, now) = (state.persisted, Instant::now());
        ids.filter(|id| *id > persisted).for_each(|id| _ = state.unarchived.entry(id).or_insert(now));
    }

    /// Waits until the fate of the entry is known; `None` after `patience`.
    pub async fn wait(&self, id: LedgerId, patience: Duration) -> Option<Verdict> {
        let receiver = {
            let mut state = self.state();
            if let Some(verdict) = state.verdict(id) {
                return Some(verdict);
            }
            let (sender, receiver) = oneshot::channel();
            state.waiting.entry(id).or_default().push((Instant::now(), sender));
            receiver
        };
        match tokio::time::timeout(patience, receiver).await {
            Ok(verdict) => verdict.ok(),
            Err(_) => {
                self.give_up(id);
                None
            }
        }
    }

    /// Forgets who waited for the entry and has gone.
    fn give_up(&self, id: LedgerId) {
        let mut state = self.state();
        let gone = state.waiting.get_mut(&id).is_some_and(|waiters| {
            waiters.retain(|(_, waiter)| !waiter.is_closed());
            waiters.is_empty()
        });
        if gone {
            state.waiting.remove(&id);
        }
    }

    /// The fate of the entry, if it is known.
    pub fn verdict(&self, id: LedgerId) -> Option<Verdict> {
        self.state().verdict(id)
    }

    /// Takes over that everything up to `persisted` is archived, but for what was rejected, and wakes those
    /// who waited for it. The watermark never moves back.
    pub fn advance(&self, persisted: LedgerId, rejected: impl IntoIterator<Item = (LedgerId, Rejection)>) {
        let mut state = self.state();
        state.rejected.extend(rejected);
        if persisted <= state.persisted {
            return;
        }
        state.persisted = persisted;
        let next = persisted.next();
        state.unarchived = state.unarchived.split_off(&next);
        let later = state.waiting.split_off(&next);
        let done = std::mem::replace(&mut state.waiting, later);
        let verdicts: Vec<_> = done.into_iter().map(|(id, waiters)| (state.verdict(id), waiters)).collect();
        drop(state);
        for (verdict, waiters) in verdicts {
            for ((_, waiter), verdict) in waiters.into_iter().zip(verdict.into_iter().cycle()) {
                // A buyer who is gone changes nothing about the purchase.
                let _gone = waiter.send(verdict);
            }
        }
    }

    /// The highest ledger id known to be archived.
    pub fn persisted(&self) -> LedgerId {
        self.state().persisted
    }

    /// How many rejections are known.
    pub fn rejections(&self) -> usize {
        self.state().rejected.len()
    }

    /// How many entries are not archived, as far as this instance knows.
    pub fn pending(&self) -> usize {
        let state = self.state();
        state.unarchived.len().max(state.waiting.len())
    }

    /// How long the oldest entry that is not archived has been known, or waited for.
    pub fn lag(&self) -> Duration {
        let state = self.state();
        let noted = state.unarchived.first_key_value().map(|(_, since)| since.elapsed());
        let waited = state.waiting.first_key_value().and_then(|(_, waiters)| Some(waiters.first()?.0.elapsed()));
        noted.max(waited).unwrap_or_default()
    }

    /// Forgets what the ledger had: it is another one now. Who waits goes on waiting, but not for ever.
    pub fn forget_ledger(&self) {
        self.state().unarchived.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(sequence: u64) -> LedgerId {
        format!("1-{sequence}").parse().unwrap()
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_purchase_is_woken_by_its_own_id_and_not_before() {
        let confirmations = Confirmations::default();
        let (early, late) = (confirmations.wait(id(1), LONG), confirmations.wait(id(3), Duration::from_millis(50)));
        let advance = async {
            tokio::task::yield_now().await;
            confirmations.advance(id(2), []);
        };
        let (early, late, ()) = tokio::join!(early, late, advance);
        assert_eq!(early, Some(Verdict::Persisted));
        assert_eq!(late, None);
        assert_eq!(confirmations.wait(id(2), LONG).await, Some(Verdict::Persisted));
    }

    #[tokio::test]
    async fn a_rejected_entry_is_never_taken_for_a_persisted_one() {
        let confirmations = Confirmations::default();
        let waiting = confirmations.wait(id(1), LONG);
        let advance = async {
            tokio::task::yield_now().await;
            confirmations.advance(id(2), [(id(1), Rejection::UnitSold)]);
        };
        let (verdict, ()) = tokio::join!(waiting, advance);
        assert_eq!(verdict, Some(Verdict::Rejected(Rejection::UnitSold)));
        confirmations.advance(id(1), []);
        assert_eq!(confirmations.persisted(), id(2));
        assert_eq!(confirmations.verdict(id(1)), Some(Verdict::Rejected(Rejection::UnitSold)));
        assert_eq!(confirmations.verdict(id(2)), Some(Verdict::Persisted));
    }

    #[tokio::test]
    async fn another_ledger_leaves_waiters_alone_and_the_lost_entry_no_trace() {
        let confirmations = Confirmations::default();
        confirmations.note([id(1), id(2)].into_iter());
        let (kept, lost) = (confirmations.wait(id(1), LONG), confirmations.wait(id(9), Duration::from_millis(20)));
        let recovery = async {
            tokio::task::yield_now().await;
            confirmations.forget_ledger();
            confirmations.advance(id(2), []);
        };
        let (kept, lost, ()) = tokio::join!(kept, lost, recovery);
        assert_eq!((kept, lost), (Some(Verdict::Persisted), None));
        assert_eq!((confirmations.lag(), confirmations.pending()), (Duration::ZERO, 0));
    }

    #[tokio::test]
    async fn lag_is_the_age_of_the_oldest_entry_that_is_not_archived() {
        let confirmations = Confirmations::default();
        assert_eq!(confirmations.lag(), Duration::ZERO);
        confirmations.note([id(1), id(2)].into_iter());
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(confirmations.lag() >= Duration::from_millis(5));
        confirmations.advance(id(2), []);
        confirmations.note([id(2)].into_iter());
        assert_eq!((confirmations.lag(), confirmations.pending()), (Duration::ZERO, 0));
    }
}
