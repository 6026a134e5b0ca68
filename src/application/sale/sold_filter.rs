//! The sold-item filter: refuses sold-out items before any look-up.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use bloomfilter::Bloom;
use bloomfilter::reexports::siphasher::sip::SipHasher13;

use crate::domain::shared::{LedgerId, Ordinal};
use crate::sabotage::{Sabotage, is_on};

/// The seed of the hash functions. Its halves must differ: with equal halves the two base hash functions are the same,
/// and the filter has four times the false positives that it was built for.
const SEED: [u8; 32] = *b"flash sale sold-item filter, v1.";

/// Rate of false positives of the Bloom filter, before the exceptions.
const FALSE_POSITIVE_RATE: f64 = 0.001;

/// Bytes before the bit array in the format of the `bloomfilter` crate.
const HEADER_BYTES: usize = 45;

/// The largest prime below 2^64, which is part of the format.
const PRIME: u64 = 0xFFFF_FFFF_FFFF_FFC5;

/// The sold-out items of one sale at one moment: a Bloom filter, and its false positives by name. All items of a sale
/// are known, so all false positives are too.
#[derive(Debug, Clone)]
pub struct SoldFilter {
    pub(super) bloom: Arc<Bloom<u32>>,
    pub(super) let_through: BTreeSet<Ordinal>,
    pub(super) sold_items: u32,
    pub(super) as_of: LedgerId,
}

impl SoldFilter {
    /// The filter of a sale of this many items with nothing sold.
    pub(super) fn empty(items: usize) -> Self {
        let bloom = Bloom::new_for_fp_rate_with_seed(items.max(1), FALSE_POSITIVE_RATE, &SEED)
            .unwrap_or_else(|reason| unreachable!("a filter for one item or more at 0.1 % can be made: {reason}"));
        SoldFilter { bloom: Arc::new(bloom), let_through: BTreeSet::new(), sold_items: 0, as_of: LedgerId::ZERO }
    }

    /// Returns the filter with wrong bits, if this process misbehaves in that way: of eight, seven are set and one is not.
    pub(super) fn sabotaged(mut self) -> Self {
        if is_on(Sabotage::FlippedFilterBits) {
            let mut bytes = self.bloom.to_bytes();
            bytes[HEADER_BYTES..].fill(0b1111_1110);
            self.bloom = Arc::new(Bloom::from_bytes(bytes).expect("the format is unchanged"));
        }
        self
    }

    /// Returns the bits of an item that are not set. There is none if the Bloom filter contains the item.
    pub(super) fn unset(&self, ordinal: Ordinal) -> impl Iterator<Item = u32> + '_ {
        positions(&self.bloom, ordinal).filter(|position| {
            let byte = self.bloom.as_slice()[HEADER_BYTES + *position as usize / 8];
            byte >> (position % 8) & 1 == 0
        })
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

/// Returns the bits of an item in a filter, as the format defines them.
fn positions(bloom: &Bloom<u32>, ordinal: Ordinal) -> impl Iterator<Item = u32> + use<> {
    let hash = |key: &[u8]| {
        let mut hasher = SipHasher13::new_with_key(&std::array::from_fn(|index| key[index]));
        ordinal.get().hash(&mut hasher);
        hasher.finish()
    };
    let hashes = [hash(&SEED[..16]), hash(&SEED[16..])];
    let bits = bloom.len();
    (0..u64::from(bloom.number_of_hash_functions())).map(move |index| {
        let hash = match index {
            0 | 1 => hashes[index as usize],
            _ => hashes[0].wrapping_add(index.wrapping_mul(hashes[1])) % PRIME,
        };
        (hash % bits) as u32
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordinals() -> impl Iterator<Item = Ordinal> {
        (1..=10_000).map(|number| Ordinal::try_from(number).unwrap())
    }

    #[test]
    fn the_positions_of_an_item_are_the_bits_that_the_bloom_filter_sets() {
        for (items, number) in [(1, 1), (10, 7), (10_000, 42), (1_000_000, 1_000_000)] {
            let (ordinal, mut filter) = (Ordinal::try_from(number).unwrap(), SoldFilter::empty(items));
            let positions: BTreeSet<u32> = positions(&filter.bloom, ordinal).collect();
            Arc::make_mut(&mut filter.bloom).set(&number);
            let is_set = |bit: &u32| filter.bloom.as_slice()[HEADER_BYTES + *bit as usize / 8] >> (bit % 8) & 1 == 1;
            let set: BTreeSet<u32> = (0..filter.bits() as u32).filter(is_set).collect();
            assert_eq!(positions, set, "item {number} of {items}");
            assert_eq!(filter.unset(ordinal).next(), None);
        }
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
