//! Refuses what is sold before any look-up.

use std::collections::BTreeSet;

use bloomfilter::Bloom;

use crate::domain::{LedgerId, Ordinal};

/// Any constant will do, as long as its halves differ: with equal halves the two hash functions that all
/// others are made of are one, and the filter errs four times as often as it was built for.
const SEED: [u8; 32] = *b"flash sale sold-item filter, v1.";

/// How often the filter takes an unsold item for a sold one, before it is corrected.
const FALSE_POSITIVE_RATE: f64 = 0.001;

/// The sold-out items of one sale at one moment: a Bloom filter, and by name those unsold items that it
/// takes for sold ones. The items of a sale are all known, so its errors are too.
#[derive(Debug)]
pub struct SoldFilter {
    bloom: Bloom<u32>,
    let_through: BTreeSet<Ordinal>,
    sold_items: u32,
    as_of: LedgerId,
}

impl SoldFilter {
    /// The filter of a sale that has `left[n - 1]` units of item `n` as of this ledger entry.
    pub fn new(left: &[u32], as_of: LedgerId) -> Self {
        let mut bloom = Bloom::new_for_fp_rate_with_seed(left.len().max(1), FALSE_POSITIVE_RATE, &SEED)
            .unwrap_or_else(|reason| unreachable!("a filter for one item or more at 0.1 % can be made: {reason}"));
        let items = || (1..).map_while(|number| Ordinal::try_from(number).ok()).zip(left);
        let mut sold_items = 0;
        for (ordinal, _) in items().filter(|(_, left)| **left == 0) {
            bloom.set(&ordinal.get());
            sold_items += 1;
        }
        let mistaken = items().filter(|(ordinal, left)| **left > 0 && bloom.check(&ordinal.get()));
        let let_through = mistaken.map(|(ordinal, _)| ordinal).collect();
        SoldFilter { bloom, let_through, sold_items, as_of }
    }

    /// Whether every unit of the item is sold. Never true of an item that is not.
    pub fn is_sold(&self, ordinal: Ordinal) -> bool {
        self.bloom.check(&ordinal.get()) && !self.let_through.contains(&ordinal)
    }

    /// The unsold items that the Bloom filter alone would refuse.
    pub fn let_through(&self) -> &BTreeSet<Ordinal> {
        &self.let_through
    }

    /// How many items are sold out.
    pub fn sold_items(&self) -> u32 {
        self.sold_items
    }

    /// The last ledger entry it takes into account.
    pub fn as_of(&self) -> LedgerId {
        self.as_of
    }

    /// Bits of the filter.
    pub fn bits(&self) -> u64 {
        self.bloom.len()
    }

    /// Bytes of the filter.
    pub fn size_bytes(&self) -> u64 {
        self.bits() / 8
    }

    /// Bits that are looked at for one item.
    pub fn hash_functions(&self) -> u32 {
        self.bloom.number_of_hash_functions()
    }

    /// The filter as the `bloomfilter` crate, version 3, stores it, with its parameters and seed. What is
    /// hashed is the item's number as a `u32`.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.bloom.to_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordinals() -> impl Iterator<Item = Ordinal> {
        (1..=10_000).map(|number| Ordinal::try_from(number).unwrap())
    }

    #[test]
    fn a_full_filter_errs_as_seldom_as_it_was_built_for() {
        let filter = SoldFilter::new(&[0; 10_000], LedgerId::ZERO);
        let errors = (10_001..=110_000u32).filter(|number| filter.bloom.check(number)).count();
        assert!((50..=200).contains(&errors), "{errors} of 100,000 where 100 were asked for");
    }

    #[test]
    fn every_sold_item_is_refused_and_no_unsold_one_ever() {
        let mut let_through = 0;
        for (sold, start) in
            [(0, 0), (1, 0), (5_000, 1), (9_999, 3), (10_000, 0)].into_iter().chain((0..20).map(|start| (9_000, start)))
        {
            let left: Vec<u32> = (0..10_000).map(|index| u32::from((index + start) * 7_919 % 10_000 >= sold)).collect();
            let filter = SoldFilter::new(&left, LedgerId::ZERO);
            for ordinal in ordinals() {
                assert_eq!(filter.is_sold(ordinal), left[ordinal.index()] == 0, "{ordinal} with {sold} sold");
            }
            assert_eq!(filter.sold_items(), sold);
            let_through += filter.let_through().len();
        }
        assert!(let_through > 0, "no false positive came up, so nothing was shown about them");
    }

    #[test]
    fn whoever_fetches_the_filter_gets_the_same_answers() {
        let left: Vec<u32> = (0..10_000).map(|index| u32::from(index % 3 == 0)).collect();
        let filter = SoldFilter::new(&left, LedgerId::ZERO);
        let fetched: Bloom<u32> = Bloom::from_bytes(filter.to_bytes()).unwrap();
        for ordinal in ordinals() {
            let sold = fetched.check(&ordinal.get()) && !filter.let_through().contains(&ordinal);
            assert_eq!(sold, filter.is_sold(ordinal));
        }
    }
}
