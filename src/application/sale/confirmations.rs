//! Confirmations: the durable entries of a ledger, and the purchases that wait for theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::application::shared::BatchTime;
use crate::domain::shared::limits::{CONFIRMED_MAX, LEDGER_BATCH, WAITING_PURCHASES_MAX};
use crate::domain::shared::{Epoch, LedgerId};
use crate::sabotage::{Sabotage, is_on};

/// The fate of a ledger entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Committed in PostgreSQL.
    Persisted,
    /// Rejected by PostgreSQL, so it does not count.
    Rejected,
    /// The archive is past its id, but this instance does not know that it has this very entry: Redis may have lost it
    /// after a failover and given a later id to another one. Only the archive knows.
    Unsure,
}

/// The archived entries of one sale as this instance knows them, and the purchases that wait for theirs. A purchase is
/// confirmed by its own ledger id, never by a later one.
#[derive(Debug)]
pub struct Confirmations {
    state: Mutex<State>,
    batch_time: BatchTime,
}

impl Default for Confirmations {
    fn default() -> Self {
        Confirmations { state: Mutex::default(), batch_time: BatchTime::new(LEDGER_BATCH) }
    }
}

#[derive(Debug)]
struct State {
    /// The epoch of the ledger that `persisted` and `archived` belong to.
    epoch: Epoch,
    persisted: LedgerId,
    /// The latest archived entries.
    archived: BTreeSet<LedgerId>,
    rejected: BTreeSet<LedgerId>,
    /// Entries of the ledger that are not archived, with the time since which this is known.
    unarchived: BTreeMap<LedgerId, Instant>,
    /// The purchases that wait for each entry.
    waiting: BTreeMap<LedgerId, Vec<Waiter>>,
    /// The time of the last progress.
    advanced: Instant,
}

/// A purchase that was decided in `epoch` and waits to become durable.
#[derive(Debug)]
struct Waiter {
    epoch: Epoch,
    since: Instant,
    sender: oneshot::Sender<Verdict>,
}

impl Default for State {
    fn default() -> Self {
        State {
            epoch: Epoch(0),
            persisted: LedgerId::ZERO,
            archived: BTreeSet::new(),
            rejected: BTreeSet::new(),
            unarchived: BTreeMap::new(),
            waiting: BTreeMap::new(),
            advanced: Instant::now(),
        }
    }
}

impl State {
    fn pending(&self) -> usize {
        self.unarchived.len().max(self.waiting.len())
    }

    /// Returns the time since which the oldest unarchived entry has been known or waited for.
    fn oldest(&self) -> Option<Instant> {
        let noted = self.unarchived.first_key_value().map(|(_, since)| *since);
        let waited = self.waiting.first_key_value().and_then(|(_, waiters)| Some(waiters.first()?.since));
        noted.into_iter().chain(waited).min()
    }

    fn verdict(&self, epoch: Epoch, id: LedgerId) -> Option<Verdict> {
        if self.rejected.contains(&id) {
            return Some(Verdict::Rejected);
        }
        match epoch == self.epoch && self.archived.contains(&id) {
            _ if id > self.persisted => None,
            true => Some(Verdict::Persisted),
            false => Some(Verdict::Unsure),
        }
    }
}

impl Confirmations {
    /// Adds entries that the ledger has.
    pub fn note(&self, ids: impl Iterator<Item = LedgerId>) {
        let mut state = self.state();
        let (persisted, now) = (state.persisted, Instant::now());
        ids.filter(|id| *id > persisted).for_each(|id| _ = state.unarchived.entry(id).or_insert(now));
    }

    /// Waits until the fate of an entry that was decided in this epoch is known. Returns `None` after `timeout`.
    pub async fn wait(&self, epoch: Epoch, id: LedgerId, timeout: Duration) -> Option<Verdict> {
        if is_on(Sabotage::AcknowledgeBeforeCommit) {
            return Some(Verdict::Persisted);
        }
        let receiver = {
            let mut state = self.state();
            if let Some(verdict) = state.verdict(epoch, id) {
                return Some(verdict);
            }
            let (sender, receiver) = oneshot::channel();
            state.waiting.entry(id).or_default().push(Waiter { epoch, since: Instant::now(), sender });
            receiver
        };
        // Declared before the receiver is dropped: a client that disconnects drops this future.
        let _gone = GiveUp { confirmations: self, id };
        let receiver = std::pin::pin!(receiver);
        // If the sender is dropped, the fate is as unknown as after the timeout.
        tokio::time::timeout(timeout, receiver).await.ok()?.ok()
    }

    /// Removes the waiters of the entry that have gone.
    fn give_up(&self, id: LedgerId) {
        let mut state = self.state();
        let gone = state.waiting.get_mut(&id).is_some_and(|waiters| {
            waiters.retain(|waiter| !waiter.sender.is_closed());
            waiters.is_empty()
        });
        if gone {
            state.waiting.remove(&id);
        }
    }

    /// Returns the fate of an entry that was decided in this epoch, if it is known.
    pub fn verdict(&self, epoch: Epoch, id: LedgerId) -> Option<Verdict> {
        self.state().verdict(epoch, id)
    }

    /// Records that in this epoch the archive is as far as `persisted`, among others with the entries `archived`, and
    /// except for the rejected ones. Wakes their waiters. Neither the watermark nor the epoch moves back.
    pub fn advance(
        &self,
        epoch: Epoch,
        persisted: LedgerId,
        archived: impl IntoIterator<Item = LedgerId>,
        rejected: impl IntoIterator<Item = LedgerId>,
    ) {
        let mut state = self.state();
        state.rejected.extend(rejected);
        if epoch < state.epoch || (epoch == state.epoch && persisted <= state.persisted) {
            return;
        }
        if epoch > state.epoch {
            state.epoch = epoch;
            state.archived.clear();
        }
        if let Some(oldest) = state.oldest() {
            self.batch_time.note(oldest.max(state.advanced).elapsed());
        }
        state.advanced = Instant::now();
        state.archived.extend(archived);
        while state.archived.len() > CONFIRMED_MAX {
            state.archived.pop_first();
        }
        state.persisted = persisted.max(state.persisted);
        let persisted = state.persisted;
        let next = persisted.next();
        state.unarchived = state.unarchived.split_off(&next);
        let later = state.waiting.split_off(&next);
        let done = std::mem::replace(&mut state.waiting, later);
        let waiters = done.into_iter().flat_map(|(id, waiters)| waiters.into_iter().map(move |waiter| (id, waiter)));
        let verdict = |(id, waiter): (LedgerId, Waiter)| {
            let verdict = state.verdict(waiter.epoch, id);
            (verdict.unwrap_or_else(|| unreachable!("entry {id} is archived or rejected")), waiter.sender)
        };
        let verdicts: Vec<_> = waiters.map(verdict).collect();
        drop(state);
        for (verdict, waiter) in verdicts {
            // A buyer who has gone changes nothing about the purchase.
            let _gone = waiter.send(verdict);
        }
    }

    /// Records that the sale is closed: the archive has all of it.
    pub fn close(&self) {
        self.advance(Epoch(i64::MAX), LedgerId::MAX, [], []);
    }

    /// Returns the highest ledger id known to be archived.
    pub fn persisted(&self) -> LedgerId {
        self.state().persisted
    }

    /// Returns the number of known rejections.
    pub fn rejections(&self) -> usize {
        self.state().rejected.len()
    }

    /// Returns the number of unarchived entries that this instance knows of.
    pub fn pending(&self) -> usize {
        self.state().pending()
    }

    /// Returns the number of purchases that wait to become durable.
    pub fn waiting(&self) -> usize {
        self.state().waiting.values().map(Vec::len).sum()
    }

    /// Returns the time for which the oldest unarchived entry has been known or waited for.
    pub fn lag(&self) -> Duration {
        self.state().oldest().map(|oldest| oldest.elapsed()).unwrap_or_default()
    }

    /// Returns true if a further purchase would wait for too long: the oldest entry lags by more than this, or the
    /// batches before it are too many.
    pub fn is_behind(&self, lag_limit: Duration) -> bool {
        let state = self.state();
        let pending = state.pending();
        state.oldest().is_some_and(|oldest| oldest.elapsed() > lag_limit)
            || pending > WAITING_PURCHASES_MAX
            || self.batch_time.is_too_long_after(pending)
    }

    /// Forgets the entries of a ledger that was replaced. Existing waiters keep waiting until they time out.
    pub fn forget_ledger(&self) {
        self.state().unarchived.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct GiveUp<'a> {
    confirmations: &'a Confirmations,
    id: LedgerId,
}

impl Drop for GiveUp<'_> {
    fn drop(&mut self) {
        self.confirmations.give_up(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Epoch = Epoch(1);

    fn id(sequence: u64) -> LedgerId {
        format!("1-{sequence}").parse().unwrap()
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_purchase_is_woken_by_its_own_id_and_not_before() {
        let confirmations = Confirmations::default();
        let (early, late) =
            (confirmations.wait(ONE, id(1), LONG), confirmations.wait(ONE, id(3), Duration::from_millis(50)));
        let advance = async {
            tokio::task::yield_now().await;
            confirmations.advance(ONE, id(2), [id(1), id(2)], []);
        };
        let (early, late, ()) = tokio::join!(early, late, advance);
        assert_eq!(early, Some(Verdict::Persisted));
        assert_eq!(late, None);
        assert_eq!(confirmations.wait(ONE, id(2), LONG).await, Some(Verdict::Persisted));
    }

    #[tokio::test]
    async fn a_rejected_entry_is_never_taken_for_a_persisted_one() {
        let confirmations = Confirmations::default();
        let waiting = confirmations.wait(ONE, id(1), LONG);
        let advance = async {
            tokio::task::yield_now().await;
            confirmations.advance(ONE, id(2), [id(2)], [id(1)]);
        };
        let (verdict, ()) = tokio::join!(waiting, advance);
        assert_eq!(verdict, Some(Verdict::Rejected));
        confirmations.advance(ONE, id(1), [id(1)], []);
        assert_eq!(confirmations.persisted(), id(2));
        assert_eq!(confirmations.verdict(ONE, id(1)), Some(Verdict::Rejected));
        assert_eq!(confirmations.verdict(ONE, id(2)), Some(Verdict::Persisted));
    }

    #[tokio::test]
    async fn another_ledger_leaves_waiters_alone_and_the_lost_entry_no_trace() {
        let confirmations = Confirmations::default();
        confirmations.note([id(1), id(2)].into_iter());
        let (kept, lost) =
            (confirmations.wait(ONE, id(1), LONG), confirmations.wait(ONE, id(9), Duration::from_millis(20)));
        let recovery = async {
            tokio::task::yield_now().await;
            confirmations.forget_ledger();
            confirmations.advance(ONE, id(2), [id(1)], []);
        };
        let (kept, lost, ()) = tokio::join!(kept, lost, recovery);
        assert_eq!((kept, lost), (Some(Verdict::Persisted), None));
        assert_eq!((confirmations.lag(), confirmations.pending()), (Duration::ZERO, 0));
    }

    #[tokio::test]
    async fn a_purchase_of_another_epoch_is_not_taken_for_durable() {
        let confirmations = Confirmations::default();
        let lost = confirmations.wait(ONE, id(3), LONG);
        let later = async {
            tokio::task::yield_now().await;
            confirmations.forget_ledger();
            confirmations.advance(Epoch(2), id(9), [id(4)], []);
        };
        let (lost, ()) = tokio::join!(lost, later);
        assert_eq!(lost, Some(Verdict::Unsure));
        assert_eq!(confirmations.verdict(ONE, id(3)), Some(Verdict::Unsure));
        assert_eq!(confirmations.verdict(Epoch(2), id(4)), Some(Verdict::Persisted));
        confirmations.advance(ONE, id(12), [], []);
        assert_eq!(confirmations.verdict(Epoch(2), id(12)), None, "news of an older epoch");
    }

    #[tokio::test]
    async fn a_purchase_is_not_confirmed_by_a_later_one() {
        let confirmations = Confirmations::default();
        let lost = confirmations.wait(ONE, id(2), LONG);
        let later = async {
            tokio::task::yield_now().await;
            confirmations.advance(ONE, id(3), [id(1), id(3)], []);
        };
        let (lost, ()) = tokio::join!(lost, later);
        assert_eq!(lost, Some(Verdict::Unsure));
        assert_eq!(confirmations.verdict(ONE, id(2)), Some(Verdict::Unsure));
        assert_eq!(confirmations.verdict(ONE, id(1)), Some(Verdict::Persisted));
    }

    #[tokio::test]
    async fn a_client_that_disconnects_leaves_no_trace() {
        let confirmations = Confirmations::default();
        let abandoned = tokio::time::timeout(Duration::from_millis(5), confirmations.wait(ONE, id(1), LONG)).await;
        assert!(abandoned.is_err());
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!((confirmations.lag(), confirmations.pending()), (Duration::ZERO, 0));
    }

    #[test]
    fn a_queue_that_would_take_too_long_is_refused_and_taken_again_when_it_is_shorter() {
        const LIMIT: Duration = Duration::from_secs(60);
        let confirmations = Confirmations::default();
        let batch = LEDGER_BATCH as u64;
        confirmations.note((1..=3 * batch).map(id));
        assert!(!confirmations.is_behind(LIMIT), "no batch was measured");
        std::thread::sleep(Duration::from_millis(600));
        confirmations.advance(ONE, id(batch), (1..=batch).map(id), []);
        assert!(confirmations.is_behind(LIMIT), "two batches are ahead, each of 150 ms or more");
        confirmations.advance(ONE, id(2 * batch + 1), (batch + 1..=2 * batch + 1).map(id), []);
        assert!(!confirmations.is_behind(LIMIT), "less than a batch is ahead");
    }

    #[tokio::test]
    async fn lag_is_the_age_of_the_oldest_entry_that_is_not_archived() {
        let confirmations = Confirmations::default();
        assert_eq!(confirmations.lag(), Duration::ZERO);
        confirmations.note([id(1), id(2)].into_iter());
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(confirmations.lag() >= Duration::from_millis(5));
        confirmations.advance(ONE, id(2), [id(1), id(2)], []);
        confirmations.note([id(2)].into_iter());
        assert_eq!((confirmations.lag(), confirmations.pending()), (Duration::ZERO, 0));
    }
}
