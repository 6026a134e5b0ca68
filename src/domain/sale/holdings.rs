//! The state of a sale that follows from its ledger alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::shared::{CheckoutCode, LedgerId, Ordinal, RequestId, UserId};

use super::Purchase;

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
    /// The ledger id of the release of each committed purchase that gave its units back.
    pub released: BTreeMap<LedgerId, LedgerId>,
}

impl Holdings {
    /// Counts the units, slots, receipts, requests and releases that differ.
    pub fn drift(&self, other: &Holdings) -> u64 {
        let sets = |a: &BTreeSet<u32>, b: &BTreeSet<u32>| a.symmetric_difference(b).count() as u64;
        let ids = |a: &LedgerId, b: &LedgerId| u64::from(a != b);
        differences(&self.units, &other.units, sets)
            + differences(&self.slots, &other.slots, sets)
            + differences(&self.receipts, &other.receipts, ids)
            + differences(&self.requests, &other.requests, ids)
            + differences(&self.released, &other.released, ids)
    }

    /// Adds the units, slots, receipt and request of a purchase.
    pub fn record(&mut self, id: LedgerId, purchase: &Purchase) {
        for unit in &purchase.units {
            self.units.entry(unit.ordinal).or_default().insert(unit.unit);
            self.slots.entry(purchase.user.clone()).or_default().insert(unit.slot);
        }
        self.receipts.insert(purchase.code, id);
        self.requests.extend(purchase.request.clone().map(|request| ((purchase.user.clone(), request), id)));
    }

    /// Adds other holdings.
    pub fn extend(&mut self, other: Holdings) {
        other.units.into_iter().for_each(|(item, units)| self.units.entry(item).or_default().extend(units));
        other.slots.into_iter().for_each(|(user, slots)| self.slots.entry(user).or_default().extend(slots));
        self.receipts.extend(other.receipts);
        self.requests.extend(other.requests);
        self.released.extend(other.released);
    }

    /// Returns what these are of `of`: the units and slots among its own, and the ledger ids of its receipts, requests and
    /// releases, which may be others.
    pub fn among(&self, of: &Holdings) -> Holdings {
        Holdings {
            units: numbers_among(&self.units, &of.units),
            slots: numbers_among(&self.slots, &of.slots),
            receipts: ids_among(&self.receipts, &of.receipts),
            requests: ids_among(&self.requests, &of.requests),
            released: ids_among(&self.released, &of.released),
        }
    }

    /// Returns everything that `other` lacks, or has with another ledger id.
    pub fn missing_in(&self, other: &Holdings) -> Holdings {
        let differs = |id: &LedgerId, other: Option<&LedgerId>| other != Some(id);
        Holdings {
            units: numbers_missing(&self.units, &other.units),
            slots: numbers_missing(&self.slots, &other.slots),
            receipts: ids_where(&self.receipts, &other.receipts, differs),
            requests: ids_where(&self.requests, &other.requests, differs),
            released: ids_where(&self.released, &other.released, differs),
        }
    }

    /// Returns everything that `other` lacks. It has a receipt, a request or a release whatever the ledger id.
    pub fn unknown_to(&self, other: &Holdings) -> Holdings {
        let lacks = |_: &LedgerId, other: Option<&LedgerId>| other.is_none();
        Holdings {
            receipts: ids_where(&self.receipts, &other.receipts, lacks),
            requests: ids_where(&self.requests, &other.requests, lacks),
            released: ids_where(&self.released, &other.released, lacks),
            ..self.missing_in(other)
        }
    }

    /// Counts the units, slots, receipts, requests and releases.
    pub fn count(&self) -> u64 {
        self.drift(&Holdings::default())
    }
}

fn numbers_among<K: Ord + Clone>(
    all: &BTreeMap<K, BTreeSet<u32>>,
    of: &BTreeMap<K, BTreeSet<u32>>,
) -> BTreeMap<K, BTreeSet<u32>> {
    let among = |(key, of): (&K, &BTreeSet<u32>)| {
        let among = all.get(key)? & of;
        (!among.is_empty()).then(|| (key.clone(), among))
    };
    of.iter().filter_map(among).collect()
}

fn ids_among<K: Ord + Clone>(all: &BTreeMap<K, LedgerId>, of: &BTreeMap<K, LedgerId>) -> BTreeMap<K, LedgerId> {
    of.keys().filter_map(|key| Some((key.clone(), *all.get(key)?))).collect()
}

fn numbers_missing<K: Ord + Clone>(
    from: &BTreeMap<K, BTreeSet<u32>>,
    other: &BTreeMap<K, BTreeSet<u32>>,
) -> BTreeMap<K, BTreeSet<u32>> {
    let missing = |(key, numbers): (&K, &BTreeSet<u32>)| {
        let missing = other.get(key).map_or_else(|| numbers.clone(), |other| numbers - other);
        (!missing.is_empty()).then(|| (key.clone(), missing))
    };
    from.iter().filter_map(missing).collect()
}

fn ids_where<K: Ord + Clone>(
    from: &BTreeMap<K, LedgerId>,
    other: &BTreeMap<K, LedgerId>,
    is_wanted: impl Fn(&LedgerId, Option<&LedgerId>) -> bool,
) -> BTreeMap<K, LedgerId> {
    let wanted = from.iter().filter(|(key, id)| is_wanted(id, other.get(key)));
    wanted.map(|(key, id)| (key.clone(), *id)).collect()
}

fn differences<K: Ord, V: Default>(a: &BTreeMap<K, V>, b: &BTreeMap<K, V>, of: impl Fn(&V, &V) -> u64) -> u64 {
    let none = V::default();
    let in_a = a.iter().map(|(key, value)| of(value, b.get(key).unwrap_or(&none)));
    let only_in_b = b.iter().filter(|(key, _)| !a.contains_key(key)).map(|(_, value)| of(&none, value));
    in_a.chain(only_in_b).sum()
}
