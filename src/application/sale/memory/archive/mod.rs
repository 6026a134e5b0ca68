//! The durable truth, in memory.

mod coordination;
mod ledger;
mod purchases;
mod sales;

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use crate::application::sale::ports::{Attempt, LockName, PersistError, RefusalKey, RejectedEntry, RejectionReason};
use crate::application::shared::StoreError;
use crate::domain::sale::{Catalog, Purchase, Release, Sale};
use crate::domain::shared::{CheckoutCode, Epoch, LedgerId, Ordinal, SaleId, UserId};

use super::calls::Calls;

/// The calls of a [`MemoryArchive`], named after the methods of its ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ArchiveCall {
    CreateSale,
    Sales,
    Sale,
    Catalog,
    EndSale,
    IsSettled,
    CloseSale,
    PurchaseByCode,
    PurchaseByRequest,
    Purchases,
    ReceiptsOf,
    EntriesIn,
    SoldByMinute,
    Held,
    Check,
    Cursors,
    Persist,
    Reject,
    Rejections,
    Unowned,
    MarkReleased,
    NoteRelease,
    PersistAttempts,
    AddRefusals,
    TryLock,
    Now,
    BeginEpoch,
    EndRestoration,
    Ping,
}

/// An archive in memory, with the guards of the schema. Clones share their state.
#[derive(Debug, Clone, Default)]
pub struct MemoryArchive {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    calls: Calls<ArchiveCall>,
}

#[derive(Debug)]
struct State {
    /// The clock, if it is not that of this process.
    now: Option<DateTime<Utc>>,
    /// The newest epoch.
    epoch: Epoch,
    sales: BTreeMap<SaleId, ArchivedSale>,
    refusals: BTreeMap<RefusalKey, u64>,
    /// The answers to the next calls of `persist`.
    persist_errors: VecDeque<PersistError>,
    /// Purchases that are rejected whatever the guards say.
    unwanted: BTreeMap<CheckoutCode, RejectionReason>,
    locks: HashSet<LockName>,
    /// Raised when all connections break; a lock is held only in the one that it was taken in.
    connection: u64,
}

impl Default for State {
    fn default() -> Self {
        State {
            now: None,
            epoch: Epoch(0),
            sales: BTreeMap::new(),
            refusals: BTreeMap::new(),
            persist_errors: VecDeque::new(),
            unwanted: BTreeMap::new(),
            locks: HashSet::new(),
            connection: 0,
        }
    }
}

/// A copy of the rows of an archive, as a standby holds it.
#[derive(Debug, Clone)]
pub struct SavedArchive {
    epoch: Epoch,
    sales: BTreeMap<SaleId, ArchivedSale>,
}

/// The rows of one sale.
#[derive(Debug, Clone)]
struct ArchivedSale {
    sale: Sale,
    catalog: Catalog,
    epoch: Epoch,
    is_restoring: bool,
    ledger: LedgerId,
    attempts_cursor: LedgerId,
    purchases: BTreeMap<LedgerId, Purchase>,
    /// The owners of sold units.
    units: BTreeMap<(Ordinal, u32), LedgerId>,
    slots: BTreeSet<(UserId, u32)>,
    releases: BTreeMap<LedgerId, Release>,
    notes: BTreeMap<LedgerId, String>,
    rejected: Vec<RejectedEntry>,
    attempts: Vec<Attempt>,
}

impl MemoryArchive {
    /// Returns the calls: their counts and faults.
    pub fn calls(&self) -> &Calls<ArchiveCall> {
        &self.shared.calls
    }

    /// Makes the next call of `persist` fail with this error. Several errors are used up in order.
    pub fn fail_next_persist(&self, error: PersistError) {
        self.state().persist_errors.push_back(error);
    }

    /// Makes `persist` reject the purchase with this code, alone and in any batch.
    pub fn reject_purchase(&self, code: CheckoutCode, reason: RejectionReason) {
        self.state().unwanted.insert(code, reason);
    }

    /// Sets the clock.
    pub fn set_time(&self, now: DateTime<Utc>) {
        self.state().now = Some(now);
    }

    /// Copies the rows of all sales.
    pub fn save(&self) -> SavedArchive {
        let state = self.state();
        SavedArchive { epoch: state.epoch, sales: state.sales.clone() }
    }

    /// Returns to older rows, as after the promotion of a standby that was behind.
    pub fn load(&self, saved: SavedArchive) {
        let mut state = self.state();
        (state.epoch, state.sales) = (saved.epoch, saved.sales);
    }

    /// Breaks all connections: nobody holds a lock any more.
    pub fn break_connections(&self) {
        let mut state = self.state();
        state.connection += 1;
        state.locks.clear();
    }

    /// Deletes an archived purchase and its units.
    ///
    /// # Panics
    ///
    /// Panics if the archive does not have the sale.
    pub fn delete_purchase(&self, sale: SaleId, id: LedgerId) {
        let mut state = self.state();
        let sale = state.known(sale);
        if let Some(purchase) = sale.purchases.remove(&id) {
            sale.units.retain(|_, owner| *owner != id);
            purchase.units.iter().for_each(|unit| _ = sale.slots.remove(&(purchase.user.clone(), unit.slot)));
        }
    }

    /// Sets the cursor of a ledger.
    ///
    /// # Panics
    ///
    /// Panics if the archive does not have the sale.
    pub fn set_cursor(&self, sale: SaleId, ledger: LedgerId) {
        self.state().known(sale).ledger = ledger;
    }

    /// Returns the archived attempts of a sale.
    ///
    /// # Panics
    ///
    /// Panics if the archive does not have the sale.
    pub fn attempts_in(&self, sale: SaleId) -> Vec<Attempt> {
        self.state().known(sale).attempts.clone()
    }

    /// Returns the words of the operator about a release.
    ///
    /// # Panics
    ///
    /// Panics if the archive does not have the sale.
    pub fn note(&self, sale: SaleId, release: LedgerId) -> Option<String> {
        self.state().known(sale).notes.get(&release).cloned()
    }

    /// Returns the archived counts of refused checkouts.
    pub fn refusals(&self) -> BTreeMap<RefusalKey, u64> {
        self.state().refusals.clone()
    }

    async fn run<T, E: From<StoreError>>(
        &self,
        call: ArchiveCall,
        work: impl FnOnce(&mut State) -> Result<T, E>,
    ) -> Result<T, E> {
        self.calls().run(call, || work(&mut self.state())).await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns a sale that the caller knows to exist.
    fn existing(&self, sale: SaleId) -> Result<&ArchivedSale, StoreError> {
        self.sales.get(&sale).ok_or_else(|| StoreError::Unreachable(format!("no row for the sale {sale}").into()))
    }

    fn known(&mut self, sale: SaleId) -> &mut ArchivedSale {
        self.sales.get_mut(&sale).unwrap_or_else(|| panic!("the archive does not have the sale {sale}"))
    }
}
