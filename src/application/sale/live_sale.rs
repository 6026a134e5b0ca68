//! One sale as this instance sees it: its ledger, projected into memory.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::Notify;

use crate::application::shared::StoreError;
use crate::domain::sale::{Catalog, LedgerEntry, Receipt, Sale};
use crate::domain::shared::{Epoch, Ordinal, SaleId};

use super::confirmations::Confirmations;
use super::fence::Fence;
use super::last_audit::LastAudit;
use super::ports::RecordedPurchase;
use super::projection::Projection;
use super::sold_filter::SoldFilter;
use super::sold_filter_upkeep::SoldFilterUpkeep;
use super::stock_feed::StockFeed;
use super::tail::Tail;

/// A sale, its items, and the projections of its ledger: the units left, the sold-item filter, and the confirmations
/// of purchases. Reading them costs no I/O.
#[derive(Debug)]
pub struct LiveSale {
    id: SaleId,
    sale: ArcSwap<Sale>,
    pub fence: Fence,
    pub catalog: Arc<Catalog>,
    projection: RwLock<Projection>,
    pub stock_feed: StockFeed,
    filter: ArcSwap<SoldFilter>,
    filter_upkeep: Mutex<SoldFilterUpkeep>,
    pub confirmations: Confirmations,
    pub tail: Tail,
    is_followed: AtomicBool,
    /// Signals new entries in the ledger.
    pub arrived: Notify,
    /// Checkout attempts that are not archived yet, when they were last counted.
    pub attempts_pending: AtomicUsize,
    /// The last audit, on the instance that audits the sale.
    pub last_audit: ArcSwapOption<LastAudit>,
}

impl LiveSale {
    /// A sale with an empty ledger.
    pub fn new(sale: Sale, catalog: Arc<Catalog>) -> Self {
        let projection = Projection::new(&catalog);
        let (filter_upkeep, filter) = SoldFilterUpkeep::new(projection.left(), projection.as_of());
        LiveSale {
            id: sale.id,
            sale: ArcSwap::from_pointee(sale),
            fence: Fence::default(),
            filter: ArcSwap::from_pointee(filter),
            filter_upkeep: Mutex::new(filter_upkeep),
            projection: RwLock::new(projection),
            stock_feed: StockFeed::default(),
            confirmations: Confirmations::default(),
            tail: Tail::default(),
            is_followed: AtomicBool::new(false),
            arrived: Notify::new(),
            attempts_pending: AtomicUsize::new(0),
            last_audit: ArcSwapOption::empty(),
            catalog,
        }
    }

    /// Returns the id of the sale.
    pub fn id(&self) -> SaleId {
        self.id
    }

    /// Returns the sale with its present window.
    pub fn sale(&self) -> Arc<Sale> {
        self.sale.load_full()
    }

    /// Replaces the sale after a change of its window.
    pub fn update(&self, sale: Sale) {
        self.sale.store(Arc::new(sale));
    }

    /// Returns the projection of the ledger.
    pub fn projection(&self) -> RwLockReadGuard<'_, Projection> {
        self.projection.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn projection_mut(&self) -> RwLockWriteGuard<'_, Projection> {
        self.projection.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes entries of the ledger, decided or read in this epoch, on to the writer and the follower.
    pub fn note(&self, epoch: Epoch, entries: Vec<LedgerEntry>) {
        self.confirmations.note(entries.iter().map(|entry| entry.id));
        self.tail.add(epoch, entries);
        self.arrived.notify_one();
    }

    /// Applies entries that follow the projection.
    pub fn apply(&self, entries: &[LedgerEntry]) {
        let mut projection = self.projection_mut();
        entries.iter().for_each(|entry| projection.apply(entry));
    }

    /// Replaces the projection with that of another ledger, rebuilds the filter, and starts the feed over. Another ledger
    /// may say something else with the same last id.
    pub fn replace(&self, mut projection: Projection) {
        let mut upkeep = self.filter_upkeep();
        let filter;
        (*upkeep, filter) = SoldFilterUpkeep::new(projection.left(), projection.as_of());
        projection.take_turns();
        self.filter.store(Arc::new(filter.sabotaged()));
        {
            let mut replaced = self.projection_mut();
            if replaced.records_changes() {
                projection.record_changes();
            }
            *replaced = projection;
        }
        self.stock_feed.start_over();
        self.is_followed.store(true, Ordering::Release);
    }

    /// Returns true once the whole ledger has been read.
    pub fn is_followed(&self) -> bool {
        self.is_followed.load(Ordering::Acquire)
    }

    /// Returns the sold-item filter.
    pub fn filter(&self) -> Arc<SoldFilter> {
        self.filter.load_full()
    }

    /// Brings the filter up to date with the projection. Returns true if the projection had moved on.
    pub fn refresh_filter(&self) -> bool {
        let mut upkeep = self.filter_upkeep();
        let filter = self.filter();
        if self.projection().as_of() == filter.as_of() {
            return false;
        }
        let (turns, as_of) = {
            let mut projection = self.projection_mut();
            (projection.take_turns(), projection.as_of())
        };
        self.filter.store(Arc::new(upkeep.next(&filter, &turns, as_of).sabotaged()));
        true
    }

    fn filter_upkeep(&self) -> MutexGuard<'_, SoldFilterUpkeep> {
        self.filter_upkeep.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns true if the sold-item filter contains the item and the projection confirms it: nothing that is left may be
    /// refused because of a wrong bit.
    pub fn is_sold(&self, ordinal: Ordinal) -> bool {
        self.filter.load().is_sold(ordinal) && self.projection().left().get(ordinal.index()) == Some(&0)
    }

    /// Returns the receipt of a purchase in this sale.
    pub fn receipt(&self, recorded: &RecordedPurchase) -> Result<Receipt, StoreError> {
        let item = |ordinal| self.catalog.item(ordinal);
        Receipt::new(self.sale.load().terms(), item, recorded.id, &recorded.purchase).map_err(StoreError::corrupt)
    }
}

/// A sale of generated items, from nine to ten o'clock, with nothing sold.
#[cfg(test)]
pub fn sample(items: u32) -> LiveSale {
    use crate::domain::sale::Window;

    let catalog = Catalog::generated(items).unwrap();
    let start = chrono::DateTime::from_timestamp(1_795_165_200, 0).unwrap();
    let window = Window::containing(start, std::time::Duration::from_secs(3_600));
    let sale = Sale::new(SaleId::hourly(window.starts_at), window, 10, &catalog);
    LiveSale::new(sale, Arc::new(catalog))
}

#[cfg(test)]
mod tests {
    use crate::domain::sale::{LedgerEvent, Purchase, SoldUnit};
    use crate::domain::shared::CheckoutCode;

    use super::*;

    #[test]
    fn a_ledger_that_ends_with_the_same_id_but_sold_nothing_makes_the_item_available_again() {
        let sale = sample(1);
        let ordinal = Ordinal::try_from(1).unwrap();
        let purchase = Purchase {
            code: CheckoutCode::new(sale.id(), 1),
            user: "ann".parse().unwrap(),
            request: None,
            units: vec![SoldUnit { ordinal, unit: 1, slot: 1 }],
            missed: Vec::new(),
        };
        let id = "1-1".parse().unwrap();
        sale.apply(&[LedgerEntry { id, event: LedgerEvent::Sold(purchase) }]);
        sale.refresh_filter();
        assert!(sale.is_sold(ordinal));
        let mut restored = Projection::new(&sale.catalog);
        restored.apply(&LedgerEntry { id, event: LedgerEvent::Opened });
        sale.replace(restored);
        assert!(!sale.is_sold(ordinal));
    }

    #[test]
    fn a_filter_with_wrong_bits_refuses_nothing_that_is_left() {
        let sale = sample(1);
        sale.filter.store(Arc::new(SoldFilter::new(&[0], sale.filter().as_of())));
        assert!(!sale.is_sold(Ordinal::try_from(1).unwrap()));
    }
}
