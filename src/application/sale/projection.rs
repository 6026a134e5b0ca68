//! The projection of a ledger: everything that follows from its entries up to one of them.

use std::collections::HashSet;

use crate::domain::sale::{Catalog, LedgerEntry, LedgerEvent};
use crate::domain::shared::{LedgerId, Ordinal, RequestId, UserId};

/// The units left of each item, and the requests that bought something, as of a ledger entry.
#[derive(Debug)]
pub struct Projection {
    left: Vec<u32>,
    units: u32,
    sold_out: u32,
    requests: HashSet<(UserId, RequestId)>,
    as_of: LedgerId,
    entries: u64,
}

impl Projection {
    /// A projection of an empty ledger: everything is left.
    pub fn new(catalog: &Catalog) -> Self {
        let left: Vec<u32> = catalog.iter().map(|(_, item)| item.stock()).collect();
        Projection {
            units: left.iter().sum(),
            left,
            sold_out: 0,
            requests: HashSet::new(),
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

    /// Returns true if this request bought something.
    pub fn has_request(&self, user: &UserId, request: &RequestId) -> bool {
        self.requests.contains(&(user.clone(), request.clone()))
    }

    /// Returns the id of the last entry taken into account.
    pub fn as_of(&self) -> LedgerId {
        self.as_of
    }

    /// Returns the number of entries taken into account.
    pub fn entries(&self) -> u64 {
        self.entries
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
                purchase.units.iter().for_each(|unit| self.change(unit.ordinal, |left| left.saturating_sub(1)));
                self.requests.extend(purchase.request.clone().map(|request| (purchase.user.clone(), request)));
            }
            // The request stays known: asking Redis about it once too often does no harm.
            LedgerEvent::Released(release) => {
                release.units.iter().for_each(|unit| self.change(unit.ordinal, |left| left.saturating_add(1)));
            }
        }
    }

    fn change(&mut self, ordinal: Ordinal, change: impl Fn(u32) -> u32) {
        if let Some(left) = self.left.get_mut(ordinal.index()) {
            let before = std::mem::replace(left, change(*left));
            self.units = self.units - before + *left;
            self.sold_out = self.sold_out + u32::from(*left == 0) - u32::from(before == 0);
        }
    }
}
