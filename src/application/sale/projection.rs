//! The projection of a ledger: everything that follows from its entries up to one of them.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use crate::domain::sale::{Catalog, LedgerEntry, LedgerEvent, SoldUnit};
use crate::domain::shared::{CheckoutCode, LedgerId, Ordinal, RequestId, UserId};

/// The turn of an item: it sold out, or became available again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    pub item: Ordinal,
    pub sold_out: bool,
}

/// The changes of the units left, since they were last taken.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The items, in order.
    pub items: Vec<Ordinal>,
    /// The first entry that changed one.
    pub first: Option<LedgerId>,
}

/// The units left of each item, and the codes and requests that bought something, as of a ledger entry.
#[derive(Debug)]
pub struct Projection {
    left: Vec<u32>,
    units: u32,
    sold_out: u32,
    /// Items of which some units are sold and some are left.
    begun: u32,
    /// The units of the items before each item, and of all items.
    units_before: Vec<u32>,
    /// One bit for each unit. Counts alone would go wrong with a unit that Redis sells twice: PostgreSQL rejects the
    /// second purchase, and its release does not free the unit.
    sold: Vec<u64>,
    /// The codes and requests that bought something, hashed: names would take ten times the memory.
    bought: HashSet<u64>,
    hasher: RandomState,
    /// The turns since they were last taken.
    turns: Vec<Turn>,
    /// `None` while nobody wants to know them.
    changes: Option<Changes>,
    as_of: LedgerId,
    entries: u64,
}

impl Projection {
    /// A projection of an empty ledger: everything is left.
    pub fn new(catalog: &Catalog) -> Self {
        let left: Vec<u32> = catalog.iter().map(|(_, item)| item.stock()).collect();
        let mut units = 0;
        let mut units_before = Vec::with_capacity(left.len() + 1);
        units_before.push(0);
        units_before.extend(left.iter().map(|stock| {
            units += stock;
            units
        }));
        Projection {
            units,
            units_before,
            sold: vec![0; units.div_ceil(u64::BITS) as usize],
            left,
            sold_out: 0,
            begun: 0,
            bought: HashSet::new(),
            turns: Vec::new(),
            changes: None,
            hasher: RandomState::new(),
            as_of: LedgerId::ZERO,
            entries: 0,
        }
    }

    /// Returns the units left of an item; 0 for one that the sale does not have.
    pub fn left_of(&self, ordinal: Ordinal) -> u32 {
        self.left.get(ordinal.index()).copied().unwrap_or(0)
    }

    /// Returns the units left of each item, in the order of the catalog.
    pub fn left(&self) -> &[u32] {
        &self.left
    }

    /// Returns the units left of all items.
    pub fn units(&self) -> u32 {
        self.units
    }

    /// Returns the number of items with no unit left.
    pub fn sold_out(&self) -> u32 {
        self.sold_out
    }

    /// Returns the number of items of which some units are sold and some are left.
    pub fn begun(&self) -> u32 {
        self.begun
    }

    /// Returns the items of which some units are sold and some are left, with the units left.
    pub fn begun_items(&self) -> impl Iterator<Item = (Ordinal, u32)> {
        let stocks = self.units_before.windows(2).map(|bounds| bounds[1] - bounds[0]);
        let ordinals = (1..).map_while(|number| Ordinal::try_from(number).ok());
        let items = ordinals.zip(self.left.iter().copied()).zip(stocks);
        items.filter(|((_, left), stock)| is_begun(*left, *stock)).map(|(item, _)| item)
    }

    /// Returns true if this request bought something, and once in 2^40 or so if it did not.
    pub fn has_request(&self, user: &UserId, request: &RequestId) -> bool {
        self.bought.contains(&self.hasher.hash_one((user, request)))
    }

    /// Returns the same for a checkout code.
    pub fn has_code(&self, code: CheckoutCode) -> bool {
        self.bought.contains(&self.hasher.hash_one(code))
    }

    /// Returns the id of the last entry taken into account.
    pub fn as_of(&self) -> LedgerId {
        self.as_of
    }

    /// Returns the number of entries taken into account.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Takes the turns of items since the last call, in order.
    pub fn take_turns(&mut self) -> Vec<Turn> {
        std::mem::take(&mut self.turns)
    }

    /// Begins to record changes, if it does not yet.
    pub fn record_changes(&mut self) {
        self.changes.get_or_insert_default();
    }

    /// Ends to record changes.
    pub fn forget_changes(&mut self) {
        self.changes = None;
    }

    /// Returns true if changes are recorded.
    pub fn records_changes(&self) -> bool {
        self.changes.is_some()
    }

    /// Takes the changes since the last call.
    pub fn take_changes(&mut self) -> Changes {
        let mut changes = self.changes.as_mut().map(std::mem::take).unwrap_or_default();
        changes.items.sort_unstable();
        changes.items.dedup();
        changes
    }

    /// Applies an entry. One that is known already changes nothing.
    pub fn apply(&mut self, entry: &LedgerEntry) {
        if entry.id <= self.as_of {
            return;
        }
        self.as_of = entry.id;
        self.entries += 1;
        match &entry.event {
            LedgerEvent::Opened | LedgerEvent::Unreadable(_) => {}
            LedgerEvent::Sold(purchase) => {
                for unit in &purchase.units {
                    if !self.set(unit, true) {
                        // No panic: PostgreSQL rejects the entry, and its release follows.
                        tracing::error!(entry = %entry.id, ?unit, "the ledger sells a unit that is sold or does not exist");
                    }
                }
                let request = purchase.request.as_ref().map(|request| self.hasher.hash_one((&purchase.user, request)));
                self.bought.extend(request);
                self.bought.insert(self.hasher.hash_one(purchase.code));
            }
            // The code and the request stay known: asking Redis about it once too often does no harm.
            LedgerEvent::Released(release) => {
                for unit in &release.units {
                    if !self.set(unit, false) {
                        tracing::error!(entry = %entry.id, ?unit, "the ledger releases a unit that is not sold");
                    }
                }
            }
        }
    }

    /// Marks a unit as sold or free. Returns false if it is so already or does not exist; then nothing changes.
    fn set(&mut self, unit: &SoldUnit, sold: bool) -> bool {
        let item = unit.ordinal.index();
        let Some([before, end]) = self.units_before.get(item..item + 2) else { return false };
        if !(1..=end - before).contains(&unit.unit) {
            return false;
        }
        let index = before + unit.unit - 1;
        let (word, bit) = (&mut self.sold[(index / u64::BITS) as usize], 1 << (index % u64::BITS));
        if (*word & bit != 0) == sold {
            return false;
        }
        *word ^= bit;
        let (left, stock) = (&mut self.left[item], end - before);
        let was_sold_out = *left == 0;
        self.begun -= u32::from(is_begun(*left, stock));
        if sold {
            *left -= 1;
            self.units -= 1;
        } else {
            *left += 1;
            self.units += 1;
        }
        self.begun += u32::from(is_begun(*left, stock));
        let is_sold_out = *left == 0;
        if let Some(changes) = &mut self.changes {
            changes.items.push(unit.ordinal);
            changes.first.get_or_insert(self.as_of);
        }
        if is_sold_out != was_sold_out {
            self.sold_out = if is_sold_out { self.sold_out + 1 } else { self.sold_out - 1 };
            self.turns.push(Turn { item: unit.ordinal, sold_out: is_sold_out });
        }
        true
    }
}

fn is_begun(left: u32, stock: u32) -> bool {
    0 < left && left < stock
}

#[cfg(test)]
mod tests {
    use crate::domain::sale::{Item, Purchase, Release, ReleaseReason};
    use crate::domain::shared::{Currency, Money};

    use super::*;

    fn unit(item: u32, unit: u32) -> SoldUnit {
        SoldUnit { ordinal: item.try_into().unwrap(), unit, slot: 1 }
    }

    /// A projection of a sale of one lamp and three chairs.
    fn projection() -> Projection {
        let item = |(name, stock): (&str, u32)| Item::new(name.into(), "/1.jpg".into(), Money::from_cents(1), stock);
        let items = [("Lamp", 1), ("Chair", 3)].into_iter().map(item).collect::<Result<_, _>>().unwrap();
        Projection::new(&Catalog::new(Currency::EUR, items).unwrap())
    }

    fn sold(id: i64, units: &[SoldUnit]) -> LedgerEntry {
        let code = CheckoutCode::new("20261120T09".parse().unwrap(), id as u128);
        let (user, units) = ("ann".parse().unwrap(), units.to_vec());
        let purchase = Purchase { code, user, request: None, units, missed: Vec::new() };
        LedgerEntry { id: id.try_into().unwrap(), event: LedgerEvent::Sold(purchase) }
    }

    fn released(id: i64, units: &[SoldUnit]) -> LedgerEntry {
        let reason = ReleaseReason::Rejected;
        let release = Release { purchase: LedgerId::ZERO, units: units.to_vec(), slots: Vec::new(), reason };
        LedgerEntry { id: id.try_into().unwrap(), event: LedgerEvent::Released(release) }
    }

    fn counts(projection: &Projection) -> (&[u32], u32, u32) {
        (projection.left(), projection.units(), projection.sold_out())
    }

    #[test]
    fn an_entry_counts_once() {
        let mut projection = projection();
        for _again in 0..2 {
            projection.apply(&sold(1, &[unit(1, 1), unit(2, 2)]));
            assert_eq!(counts(&projection), (&[0, 2][..], 2, 1));
        }
        projection.apply(&released(2, &[unit(1, 1)]));
        assert_eq!(counts(&projection), (&[1, 2][..], 3, 0));
        assert_eq!((projection.as_of().to_i64(), projection.entries()), (2, 2));
    }

    #[test]
    fn a_unit_that_redis_sells_twice_counts_once_and_stays_sold_when_the_second_sale_is_released() {
        let mut projection = projection();
        projection.apply(&sold(1, &[unit(2, 1)]));
        projection.apply(&sold(2, &[unit(2, 1), unit(1, 1)]));
        assert_eq!(counts(&projection), (&[0, 2][..], 2, 1));
        // PostgreSQL rejected the second purchase; the first buyer keeps the chair.
        projection.apply(&released(3, &[unit(1, 1)]));
        assert_eq!(counts(&projection), (&[1, 2][..], 3, 0));
    }

    #[test]
    fn a_unit_that_does_not_exist_changes_nothing() {
        let mut projection = projection();
        projection.apply(&sold(1, &[unit(1, 0), unit(1, 2), unit(3, 1)]));
        projection.apply(&released(2, &[unit(2, 1), unit(3, 1)]));
        assert_eq!(counts(&projection), (&[1, 3][..], 4, 0));
    }
}
