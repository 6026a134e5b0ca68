//! The upkeep of the sold-item filter: each item that sells out costs the same, however many items a sale has.

use std::sync::Arc;

use crate::domain::shared::{LedgerId, Ordinal};

use super::projection::Turn;
use super::sold_filter::SoldFilter;

/// Items that became available again before the filter is built from the beginning: this number, or this share of all if
/// that is more. Their bits stay set until then, so each of them is an exception.
const RETURNS_MAX: usize = 256;
const RETURNS_SHARE: usize = 128;

/// A rebuild costs less than adding more than this share of the items one by one.
const REBUILD_SHARE: usize = 4;

/// No item: ordinals begin with 1.
const NONE: u32 = 0;

/// Keeps the filter of one sale, and finds the items that become false positives.
///
/// Every available item that the Bloom filter does not contain watches one of its unset bits. Only a newly set bit can
/// turn an item into a false positive, and then only an item that watches it: it looks for another unset bit, and is a
/// false positive if it has none. The watchers of a bit are a linked list; several bits share a list.
#[derive(Debug)]
pub struct SoldFilterUpkeep {
    /// The items that are sold out, by index.
    sold: Vec<bool>,
    /// The first watcher in each list; bit `b` belongs to list `b` modulo their number.
    first: Vec<u32>,
    /// The next watcher in the same list, by index of the item.
    next: Vec<u32>,
    /// The bit that an item watches, by its index.
    watched: Vec<u32>,
    returns: usize,
}

impl SoldFilter {
    /// The filter of a sale with `left[n - 1]` units of item `n` as of this ledger entry.
    pub fn new(left: &[u32], as_of: LedgerId) -> Self {
        SoldFilterUpkeep::new(left, as_of).1
    }
}

impl SoldFilterUpkeep {
    /// Builds [the filter of a sale](SoldFilter::new).
    pub fn new(left: &[u32], as_of: LedgerId) -> (Self, SoldFilter) {
        Self::build(left.iter().map(|left| *left == 0).collect(), as_of)
    }

    fn build(sold: Vec<bool>, as_of: LedgerId) -> (Self, SoldFilter) {
        let none = vec![NONE; sold.len()];
        let mut upkeep = SoldFilterUpkeep { first: none.clone(), next: none.clone(), watched: none, sold, returns: 0 };
        let mut filter = SoldFilter { as_of, ..SoldFilter::empty(upkeep.sold.len()) };
        let items = || (1..).map_while(|number| Ordinal::try_from(number).ok()).zip(upkeep.sold.clone());
        let bloom = Arc::make_mut(&mut filter.bloom);
        for (ordinal, _) in items().filter(|(_, sold)| *sold) {
            bloom.set(&ordinal.get());
            filter.sold_items += 1;
        }
        for (ordinal, _) in items().filter(|(_, sold)| !*sold) {
            upkeep.watch(&mut filter, ordinal);
        }
        (upkeep, filter)
    }

    /// Returns the filter that follows `filter` after these items have sold out or become available again.
    pub fn next(&mut self, filter: &SoldFilter, turns: &[Turn], as_of: LedgerId) -> SoldFilter {
        let mut next = SoldFilter { as_of, ..filter.clone() };
        self.returns += turns.iter().filter(|turn| !turn.sold_out).count();
        if self.returns > RETURNS_MAX.max(self.sold.len() / RETURNS_SHARE)
            || turns.len() > self.sold.len() / REBUILD_SHARE
        {
            turns.iter().for_each(|turn| self.sold[turn.item.index()] = turn.sold_out);
            (*self, next) = Self::build(std::mem::take(&mut self.sold), as_of);
            return next;
        }
        for turn in turns {
            let sold = &mut self.sold[turn.item.index()];
            match (std::mem::replace(sold, turn.sold_out), turn.sold_out) {
                (false, true) => {
                    next.sold_items += 1;
                    next.let_through.remove(&turn.item);
                    self.set(&mut next, turn.item);
                }
                (true, false) => {
                    next.sold_items -= 1;
                    next.let_through.insert(turn.item);
                }
                (true, true) | (false, false) => {}
            }
        }
        next
    }

    /// Adds a sold-out item to the Bloom filter, and lets the watchers of its new bits look for others.
    fn set(&mut self, filter: &mut SoldFilter, item: Ordinal) {
        let new: Vec<u32> = filter.unset(item).collect();
        if new.is_empty() {
            return;
        }
        Arc::make_mut(&mut filter.bloom).set(&item.get());
        for position in new {
            let list = self.list_of(position);
            let mut next = std::mem::replace(&mut self.first[list], NONE);
            while let Ok(watcher) = Ordinal::try_from(next) {
                next = self.next[watcher.index()];
                if self.watched[watcher.index()] != position {
                    self.push(list, watcher);
                } else if !self.sold[watcher.index()] {
                    self.watch(filter, watcher);
                }
            }
        }
    }

    /// Makes an available item watch one of its unset bits, or an exception if it has none.
    fn watch(&mut self, filter: &mut SoldFilter, item: Ordinal) {
        let position = filter.unset(item).next();
        let Some(position) = position else {
            filter.let_through.insert(item);
            return;
        };
        self.watched[item.index()] = position;
        self.push(self.list_of(position), item);
    }

    fn push(&mut self, list: usize, watcher: Ordinal) {
        self.next[watcher.index()] = std::mem::replace(&mut self.first[list], watcher.get());
    }

    fn list_of(&self, position: u32) -> usize {
        position as usize % self.first.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Fails unless the filter is right about every item.
    fn assert_exact(filter: &SoldFilter, sold: &[bool], has_returns: bool) {
        let items = || (1..).map_while(|number| Ordinal::try_from(number).ok()).zip(sold);
        let wrong: Vec<Ordinal> =
            items().filter(|(item, sold)| filter.is_sold(*item) != **sold).map(|(item, _)| item).collect();
        assert_eq!(wrong, [], "refused or let through by mistake");
        let mistaken = items().filter(|(item, sold)| !**sold && filter.bloom.check(&item.get()));
        assert_eq!(filter.let_through, mistaken.map(|(item, _)| item).collect::<BTreeSet<_>>());
        assert_eq!(filter.sold_items as usize, sold.iter().filter(|sold| **sold).count());
        let rebuilt = SoldFilterUpkeep::build(sold.to_vec(), filter.as_of).1;
        assert!(has_returns || filter.to_bytes() == rebuilt.to_bytes());
    }

    fn turn(index: usize, sold_out: bool) -> Turn {
        Turn { item: Ordinal::try_from(index as u32 + 1).unwrap(), sold_out }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_filter_that_is_kept_up_is_exact(
            items in 1..3_000usize,
            batches in prop::collection::vec(prop::collection::vec((any::<prop::sample::Index>(), 0..8u8), 0..300), 1..12),
        ) {
            let (mut upkeep, mut filter) = SoldFilterUpkeep::new(&vec![1; items], LedgerId::ZERO);
            let (mut sold, mut has_returns) = (vec![false; items], false);
            for batch in batches {
                let turns: Vec<Turn> = batch.iter().map(|(item, kind)| turn(item.index(items), *kind > 0)).collect();
                turns.iter().for_each(|turn| sold[turn.item.index()] = turn.sold_out);
                has_returns |= turns.iter().any(|turn| !turn.sold_out);
                filter = upkeep.next(&filter, &turns, filter.as_of.next());
                assert_exact(&filter, &sold, has_returns);
            }
        }
    }

    #[test]
    fn a_sale_that_sells_out_item_by_item_has_every_false_positive_on_the_way() {
        let items = 60_000;
        let (mut upkeep, mut filter) = SoldFilterUpkeep::new(&vec![1; items], LedgerId::ZERO);
        let (mut sold, mut let_through) = (vec![false; items], 0);
        for batch in 0..20 {
            let turns: Vec<Turn> =
                (0..3_000).map(|index| turn((batch * 3_000 + index) * 7_919 % items, true)).collect();
            turns.iter().for_each(|turn| sold[turn.item.index()] = true);
            filter = upkeep.next(&filter, &turns, filter.as_of.next());
            assert_exact(&filter, &sold, false);
            let_through += filter.let_through.len();
        }
        assert!(let_through > 0, "no false positive came up, so nothing was shown about them");
    }

    #[test]
    fn many_returned_items_cause_a_rebuild_that_forgets_their_bits() {
        let items = 10_000;
        let (mut upkeep, mut filter) = SoldFilterUpkeep::new(&vec![0; items], LedgerId::ZERO);
        for index in 0..RETURNS_MAX {
            filter = upkeep.next(&filter, &[turn(index, false)], filter.as_of.next());
        }
        assert_eq!(filter.let_through.len(), RETURNS_MAX);
        filter = upkeep.next(&filter, &[turn(RETURNS_MAX, false)], filter.as_of.next());
        assert!(filter.let_through.len() < 50);
        assert_exact(&filter, &(0..items).map(|index| index > RETURNS_MAX).collect::<Vec<_>>(), false);
    }
}
