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
    pending: BTreeMap<LedgerId, Pending>,
}

#[derive(Debug)]
struct Pending {
    since: Instant,
    waiters: Vec<oneshot::Sender<Verdict>>,
}

impl Pending {
    fn now() -> Self {
        Pending { since: Instant::now(), waiters: Vec::new() }
    }
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
    /// Notes entries that are in the ledger, so that [`Confirmations::lag`] counts them.
    pub fn note(&self, ids: impl Iterator<Item = LedgerId>) {
        let mut state = self.state();
        for id in ids.filter(|id| *id > state.persisted).collect::<Vec<_>>() {
            state.pending.entry(id).or_insert_with(Pending::now);
        }
    }

    /// Waits until the fate of the entry is known; `None` after `patience`.
    pub async fn wait(&self, id: LedgerId, patience: Duration) -> Option<Verdict> {
        let receiver = {
            let mut state = self.state();
            if let Some(verdict) = state.verdict(id) {
                return Some(verdict);
            }
            let (sender, receiver) = oneshot::channel();
            let pending = state.pending.entry(id).or_insert_with(Pending::now);
            // Whoever gave up waiting makes room for who asks again.
            pending.waiters.retain(|waiter| !waiter.is_closed());
            pending.waiters.push(sender);
            receiver
        };
        tokio::time::timeout(patience, receiver).await.ok()?.ok()
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
        let later = state.pending.split_off(&persisted.next());
        let done = std::mem::replace(&mut state.pending, later);
        let verdicts: Vec<_> = done.into_iter().map(|(id, pending)| (state.verdict(id), pending)).collect();
        drop(state);
        for (verdict, pending) in verdicts {
            for (waiter, verdict) in pending.waiters.into_iter().zip(verdict.into_iter().cycle()) {
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

    /// How many entries are in the ledger and not archived.
    pub fn pending(&self) -> usize {
        self.state().pending.len()
    }

    /// How long the oldest entry that is not archived has been known.
    pub fn lag(&self) -> Duration {
        self.state().pending.first_key_value().map_or(Duration::ZERO, |(_, pending)| pending.since.elapsed())
    }

    /// Forgets what was pending: the ledger is another one now. Who waits is told that nothing is known.
    pub fn forget_pending(&self) {
        self.state().pending.clear();
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
