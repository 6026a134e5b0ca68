//! The tail of a ledger: the newest entries, as this instance decided or read them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::sale::LedgerEntry;
use crate::domain::shared::limits::TAIL_MAX;
use crate::domain::shared::{Epoch, LedgerId};

/// Entries of one epoch. The instance that decides an entry knows it from the reply, so that neither its writer nor its
/// follower has to read it from the ledger. The numbers of the entries show which ones are missing.
#[derive(Debug, Default)]
pub struct Tail {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    epoch: Epoch,
    entries: BTreeMap<LedgerId, LedgerEntry>,
}

impl Default for State {
    fn default() -> Self {
        State { epoch: Epoch(0), entries: BTreeMap::new() }
    }
}

impl Tail {
    /// Adds entries of this epoch, in any order. Those of an older epoch are ignored; those of a newer one replace all.
    pub fn add(&self, epoch: Epoch, entries: impl IntoIterator<Item = LedgerEntry>) {
        let mut state = self.state();
        if epoch < state.epoch {
            return;
        }
        if epoch > state.epoch {
            *state = State { epoch, entries: BTreeMap::new() };
        }
        state.entries.extend(entries.into_iter().map(|entry| (entry.id, entry)));
        while state.entries.len() > TAIL_MAX {
            state.entries.pop_first();
        }
    }

    /// Returns up to `max` entries of this epoch that follow `after` without a gap. None if the next one is missing or
    /// does not exist yet.
    pub fn following(&self, epoch: Epoch, mut after: LedgerId, max: usize) -> Vec<LedgerEntry> {
        let state = self.state();
        if state.epoch != epoch {
            return Vec::new();
        }
        let entries = state.entries.range(after.next()..).map(|(_, entry)| entry);
        let follows = |entry: &&LedgerEntry| {
            let follows = after.precedes(entry.id);
            after = entry.id;
            follows
        };
        entries.take_while(follows).take(max).cloned().collect()
    }

    /// Forgets the entries up to and including this one.
    pub fn forget(&self, id: LedgerId) {
        let mut state = self.state();
        if state.entries.first_key_value().is_some_and(|(first, _)| *first <= id) {
            state.entries = state.entries.split_off(&id.next());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::sale::LedgerEvent;

    use super::*;

    const ONE: Epoch = Epoch(1);

    fn entry(id: &str) -> LedgerEntry {
        LedgerEntry { id: id.parse().unwrap(), event: LedgerEvent::Opened }
    }

    fn ids(tail: &Tail, epoch: Epoch, after: &str) -> Vec<String> {
        tail.following(epoch, after.parse().unwrap(), 3).iter().map(|entry| entry.id.to_string()).collect()
    }

    #[test]
    fn entries_follow_each_other_up_to_the_first_gap() {
        let tail = Tail::default();
        tail.add(ONE, ["5-3", "5-2", "9-5"].map(entry));
        assert_eq!(ids(&tail, ONE, "5-1"), ["5-2", "5-3"]);
        assert_eq!(ids(&tail, ONE, "5-3"), [""; 0], "9-4 is missing");
        tail.add(ONE, [entry("8-4")]);
        assert_eq!(ids(&tail, ONE, "5-2"), ["5-3", "8-4", "9-5"]);
        assert_eq!(ids(&tail, ONE, "5-1").len(), 3, "no more than asked for");
        tail.forget("5-3".parse().unwrap());
        assert_eq!(ids(&tail, ONE, "5-1"), [""; 0]);
        assert_eq!(ids(&tail, ONE, "5-3"), ["8-4", "9-5"]);
    }

    #[test]
    fn another_entry_with_the_same_number_follows_nothing() {
        let tail = Tail::default();
        tail.add(ONE, [entry("5-2"), entry("6-2")]);
        assert_eq!(ids(&tail, ONE, "5-1"), ["5-2"]);
    }

    #[test]
    fn a_new_epoch_begins_with_nothing() {
        let tail = Tail::default();
        tail.add(ONE, [entry("5-2")]);
        assert_eq!(ids(&tail, Epoch(2), "5-1"), [""; 0]);
        tail.add(Epoch(2), [entry("5-3")]);
        tail.add(ONE, [entry("5-2")]);
        assert_eq!(ids(&tail, Epoch(2), "5-1"), [""; 0]);
        assert_eq!(ids(&tail, Epoch(2), "5-2"), ["5-3"]);
    }

    #[test]
    fn the_tail_is_bounded() {
        let tail = Tail::default();
        let entries = (1..=TAIL_MAX as u64 + 5).map(|number| entry(&format!("5-{number}")));
        tail.add(ONE, entries);
        assert_eq!(tail.state().entries.len(), TAIL_MAX);
        assert_eq!(ids(&tail, ONE, "5-5").len(), 3);
    }
}
