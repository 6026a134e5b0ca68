//! The state of a sale that follows from its ledger alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::shared::{CheckoutCode, LedgerId, Ordinal, RequestId, UserId};

/// The state that follows from the ledger of a sale alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holdings {
    /// The sold units of each item. An item without an entry has sold none.
    pub units: BTreeMap<Ordinal, BTreeSet<u32>>,
    /// The filled slots of each user.
    pub slots: BTreeMap<UserId, BTreeSet<u32>>,
    /// The ledger id of the purchase with each code.
    pub receipts: BTreeMap<CheckoutCode, LedgerId>,
    /// The ledger id of the purchase by each request.
    pub requests: BTreeMap<(UserId, RequestId), LedgerId>,
}

impl Holdings {
    /// Counts the units, slots, receipts and requests that differ.
    pub fn drift(&self, other: &Holdings) -> u64 {
        let sets = |a: &BTreeSet<u32>, b: &BTreeSet<u32>| a.symmetric_difference(b).count() as u64;
        let ids = |a: &LedgerId, b: &LedgerId| u64::from(a != b);
        differences(&self.units, &other.units, sets)
            + differences(&self.slots, &other.slots, sets)
            + differences(&self.receipts, &other.receipts, ids)
            + differences(&self.requests, &other.requests, ids)
    }
}

fn differences<K: Ord, V: Default>(a: &BTreeMap<K, V>, b: &BTreeMap<K, V>, of: impl Fn(&V, &V) -> u64) -> u64 {
    let none = V::default();
    let in_a = a.iter().map(|(key, value)| of(value, b.get(key).unwrap_or(&none)));
    let only_in_b = b.iter().filter(|(key, _)| !a.contains_key(key)).map(|(_, value)| of(&none, value));
    in_a.chain(only_in_b).sum()
}
