//! One sale as this instance sees it: what its ledger says, projected into memory.

use std::collections::HashSet;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::Notify;

use crate::domain::{Catalog, LedgerEntry, LedgerEvent, LedgerId, Ordinal, RequestId, Sale, UserId};

use super::audit::Audited;
use super::confirmations::Confirmations;
use super::sold_filter::SoldFilter;

/// A sale, its items, and three projections of its ledger: what is left of each item, the sold-item
/// filter, and which purchases are durable. Looking at any of them costs no I/O.
#[derive(Debug)]
pub struct LiveSale {
    sale: ArcSwap<Sale>,
    pub catalog: Arc<Catalog>,
    projection: RwLock<Projection>,
    filter: ArcSwap<SoldFilter>,
    pub confirmations: Confirmations,
    /// Something was appended to the ledger.
    pub arrived: Notify,
    /// Checkout attempts that are not archived yet, when they were last counted.
    pub attempts_pending: AtomicUsize,
    /// How far its audit has got, where that is this instance's part.
    pub audited: ArcSwapOption<Audited>,
}

/// What follows from the ledger up to an entry.
#[derive(Debug)]
pub struct Projection {
    left: Vec<u32>,
    units: u32,
    /// How many items have no unit left.
    sold_out: u32,
    requests: HashSet<(UserId, RequestId)>,
    as_of: LedgerId,
    entries: u64,
}

impl Projection {
    /// Everything is left.
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

    /// Units left of this item.
    pub fn of(&self, ordinal: Ordinal) -> u32 {
        self.left.get(ordinal.index()).copied().unwrap_or(0)
    }

    /// Units left of all items.
    pub fn units(&self) -> u32 {
        self.units
    }

    /// How many items have no unit left.
    pub fn sold_out(&self) -> u32 {
        self.sold_out
    }

    /// Whether this request bought something.
    pub fn has_request(&self, user: &UserId, request: &RequestId) -> bool {
        self.requests.contains(&(user.clone(), request.clone()))
    }

    /// The last ledger entry taken into account.
    pub fn as_of(&self) -> LedgerId {
        self.as_of
    }

    /// How many ledger entries are taken into account.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Takes over an entry; one that is known already changes nothing.
    pub fn apply(&mut self, entry: &LedgerEntry) {
        if entry.id <= self.as_of {
            return;
        }
        self.as_of = entry.id;
        self.entries += 1;
        match &entry.event {
            LedgerEvent::Opened | LedgerEvent::Unreadable(_) => {}
            LedgerEvent::Sold(sold) => {
                sold.units.iter().for_each(|unit| self.change(unit.ordinal, |left| left.saturating_sub(1)));
                self.requests.extend(sold.request.clone().map(|request| (sold.user.clone(), request)));
            }
            // The request stays known: asking Redis about it once too often does no harm.
            LedgerEvent::Released(released) => {
                released.units.iter().for_each(|unit| self.change(unit.ordinal, |left| left.saturating_add(1)));
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

impl LiveSale {
    /// A sale of which nothing is known to be sold.
    pub fn new(sale: Sale, catalog: Arc<Catalog>) -> Self {
        let projection = Projection::new(&catalog);
        LiveSale {
            sale: ArcSwap::from_pointee(sale),
            filter: ArcSwap::from_pointee(SoldFilter::new(&projection.left, projection.as_of)),
            projection: RwLock::new(projection),
            confirmations: Confirmations::default(),
            arrived: Notify::new(),
            attempts_pending: AtomicUsize::new(0),
            audited: ArcSwapOption::empty(),
            catalog,
        }
    }

    /// The sale as it stands.
    pub fn sale(&self) -> Arc<Sale> {
        self.sale.load_full()
    }

    /// Takes over a change of the sale's window.
    pub fn update(&self, sale: Sale) {
        self.sale.store(Arc::new(sale));
    }

    /// What is left.
    pub fn projection(&self) -> RwLockReadGuard<'_, Projection> {
        self.projection.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Projects entries that follow on what is known.
    pub fn apply(&self, entries: &[LedgerEntry]) {
        let mut projection = self.projection.write().unwrap_or_else(PoisonError::into_inner);
        entries.iter().for_each(|entry| projection.apply(entry));
    }

    /// Replaces the projection by one of another ledger.
    pub fn replace(&self, projection: Projection) {
        *self.projection.write().unwrap_or_else(PoisonError::into_inner) = projection;
    }

    /// The sold-item filter.
    pub fn filter(&self) -> Arc<SoldFilter> {
        self.filter.load_full()
    }

    /// Brings the filter up to date. Returns whether there was anything new.
    pub fn refresh_filter(&self) -> bool {
        let (left, as_of) = {
            let projection = self.projection();
            (projection.left.clone(), projection.as_of)
        };
        let is_new = self.filter.load().as_of() != as_of;
        if is_new {
            self.filter.store(Arc::new(SoldFilter::new(&left, as_of)));
        }
        is_new
    }

    /// Whether the sold-item filter refuses the item.
    pub fn is_sold(&self, ordinal: Ordinal) -> bool {
        self.filter.load().is_sold(ordinal)
    }
}

/// A sale of so many made-up items, from nine to ten o'clock, of which nothing is sold.
#[cfg(test)]
pub fn sample(items: u32) -> LiveSale {
    let catalog = Catalog::generated(items).unwrap();
    let start = chrono::DateTime::from_timestamp(1_795_165_200, 0).unwrap();
    let window = crate::domain::Window::containing(start, std::time::Duration::from_secs(3_600));
    let (currency, items, units) = (catalog.currency(), catalog.items(), catalog.units());
    let id = crate::domain::SaleId::hourly(window.starts_at);
    LiveSale::new(Sale { id, window, user_limit: 10, currency, items, units, closed: false }, Arc::new(catalog))
}
