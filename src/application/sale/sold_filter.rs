//! The sold-item filter: refuses sold-out items before any look-up.

use std::collections::BTreeSet;

use bloomfilter::Bloom;

use crate::domain::shared::{LedgerId, Ordinal};

/// The seed of the hash functions. Its halves must differ: with equal halves the two base hash functions are the same,
/// and the filter has four times the false positives that it was built for.
const SEED: [u8; 32] = *b"flash sale sold-item filter, v1.";

/// Rate of false positives of the Bloom filter, before the exceptions.
const FALSE_POSITIVE_RATE: f64 = 0.001;

/// The sold-out items of one sale at one moment: a Bloom filter, and its false positives by name. All items of a sale
/// are known, so all false positives are too.
#[derive(Debug)]
pub struct SoldFilter {
    bloom: Bloom<u32>,
    let_through: BTreeSet<Ordinal>,
    sold_items: u32,
    as_of: LedgerId,
}

impl SoldFilter {
    /// The filter of a sale with `left[n - 1]` units of item `n` as of this ledger entry.
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

    /// Returns true if every unit of the item is sold. Never true for another item.
    pub fn is_sold(&self, ordinal: Ordinal) -> bool {
        self.bloom.check(&ordinal.get()) && !self.let_through.contains(&ordinal)
    }

    /// Returns the false positives: the unsold items that the Bloom filter alone would refuse.
    pub fn let_through(&self) -> &BTreeSet<Ordinal> {
        &self.let_through
    }

    /// Returns the number of sold-out items.
    pub fn sold_items(&self) -> u32 {
        self.sold_items
    }

    /// Returns the id of the last ledger entry taken into account.
    pub fn as_of(&self) -> LedgerId {
        self.as_of
    }

    /// Returns the size of the filter in bits.
    pub fn bits(&self) -> u64 {
        self.bloom.len()
    }

    /// Returns the size of the filter in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.bits() / 8
    }

    /// Returns the number of hash functions, that is of bits tested for one item.
    pub fn hash_functions(&self) -> u32 {
        self.bloom.number_of_hash_functions()
    }

    /// Returns the filter in the format of the `bloomfilter` crate, version 3, with its parameters and seed. The hashed
    /// value is the item's number as a `u32`.
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
    fn a_full_filter_has_the_false_positive_rate_that_it_was_built_for() {
        let filter = SoldFilter::new(&[0; 10_000], LedgerId::ZERO);
        let errors = (10_001..=110_000u32).filter(|number| filter.bloom.check(number)).count();
        assert!((50..=200).contains(&errors), "{errors} of 100,000 where 100 were asked for");
    }

    #[test]
    fn every_sold_item_is_refused_and_no_unsold_one() {
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
    fn a_fetched_filter_gives_the_same_answers() {
        let left: Vec<u32> = (0..10_000).map(|index| u32::from(index % 3 == 0)).collect();
        let filter = SoldFilter::new(&left, LedgerId::ZERO);
        let fetched: Bloom<u32> = Bloom::from_bytes(filter.to_bytes()).unwrap();
        for ordinal in ordinals() {
            let sold = fetched.check(&ordinal.get()) && !filter.let_through().contains(&ordinal);
            assert_eq!(sold, filter.is_sold(ordinal));
        }
    }
}
