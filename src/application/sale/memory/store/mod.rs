//! The store that decides, in memory.

mod decide;
mod inspect;
mod logs;
mod restore;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Notify, broadcast};

use crate::application::sale::ports::{Attempt, Probe, Watermark};
use crate::application::shared::StoreError;
use crate::domain::sale::{LedgerEntry, LedgerEvent, Stock, Window};
use crate::domain::shared::{Epoch, LedgerId, SaleId};

use super::calls::Calls;

/// Announcements that a slow subscriber may be behind.
const ANNOUNCEMENTS_KEPT: usize = 1_024;

/// The calls of a [`MemoryStore`], named after the methods of its ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StoreCall {
    Checkout,
    Remove,
    Purchase,
    BuyNow,
    Find,
    FindRequest,
    Release,
    Read,
    ReadOne,
    Follow,
    ReadAttempts,
    CountAttempts,
    TrimAttempts,
    Announce,
    Subscribe,
    Now,
    Open,
    End,
    Seal,
    ForgetIdleCarts,
    Retire,
    DropRetired,
    Stored,
    Fence,
    History,
    Restore,
    Join,
    LoadScripts,
    DecidesAs,
    HasState,
    Held,
    Scan,
    Ping,
}

/// A store in memory in which [`Stock`] decides. Clones share their state.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    calls: Calls<StoreCall>,
    /// Signals new entries in any ledger.
    entries: Notify,
    watermarks: broadcast::Sender<Watermark>,
}

/// A copy of the state of a store, as a replica or a file holds it.
#[derive(Debug, Clone)]
pub struct SavedStore {
    state: State,
}

#[derive(Debug, Clone)]
struct State {
    now: DateTime<Utc>,
    /// The epochs whose scripts are loaded.
    scripts: BTreeSet<Epoch>,
    /// The epochs that this store has not lost since they began.
    witnesses: BTreeSet<Epoch>,
    /// Counts the histories.
    history: u64,
    sales: BTreeMap<SaleId, SaleState>,
    /// The epochs in which sales are being restored.
    restoring: BTreeMap<SaleId, Epoch>,
}

#[derive(Debug, Clone)]
struct SaleState {
    /// `None` while the sale is fenced.
    epoch: Option<Epoch>,
    /// The history in which that epoch began.
    history: u64,
    stock: Stock,
    ledger: Vec<LedgerEntry>,
    /// Accepted checkouts; `None` is one that cannot be read.
    attempts: Vec<(LedgerId, Option<Attempt>)>,
    last_attempt: LedgerId,
    expires_at: Option<DateTime<Utc>>,
    /// The time at which carts were last made idle.
    carts_since: Option<DateTime<Utc>>,
}

impl MemoryStore {
    /// An empty store whose clock stands at `now`.
    pub fn new(now: DateTime<Utc>) -> Self {
        let (scripts, witnesses, sales, restoring) = Default::default();
        let state = Mutex::new(State { now, scripts, witnesses, history: 0, sales, restoring });
        let (watermarks, _) = broadcast::channel(ANNOUNCEMENTS_KEPT);
        MemoryStore { shared: Arc::new(Shared { state, calls: Calls::default(), entries: Notify::new(), watermarks }) }
    }

    /// Returns the calls: their counts and faults.
    pub fn calls(&self) -> &Calls<StoreCall> {
        &self.shared.calls
    }

    /// Sets the clock.
    pub fn set_time(&self, now: DateTime<Utc>) {
        self.state().now = now;
    }

    /// Moves the clock on.
    pub fn pass(&self, time: TimeDelta) {
        self.state().now += time;
    }

    /// Moves the window of a sale, which has the same effect as a moved clock.
    ///
    /// # Panics
    ///
    /// Panics if the store does not have the sale.
    pub fn set_window(&self, sale: SaleId, window: Window) {
        self.edit(sale, |stock| stock.sale.window = window);
    }

    /// Loses all data. Like Redis after `FLUSHALL`, it keeps its scripts.
    pub fn forget(&self) {
        let mut state = self.state();
        state.sales.clear();
        state.restoring.clear();
    }

    /// Loses the state of one sale.
    pub fn forget_sale(&self, sale: SaleId) {
        self.state().sales.remove(&sale);
    }

    /// Loses all scripts. Like Redis after `SCRIPT FLUSH` or a restart from its file, it keeps its data.
    pub fn forget_scripts(&self) {
        let mut state = self.state();
        state.scripts.clear();
        state.witnesses.clear();
    }

    /// Writes another history, as after the promotion of a replica that was not behind.
    pub fn branch(&self) {
        self.state().history += 1;
    }

    /// Copies the state.
    pub fn save(&self) -> SavedStore {
        SavedStore { state: self.state().clone() }
    }

    /// Returns to an older state, as after the promotion of a replica that was behind. The clock goes on.
    pub fn load(&self, saved: SavedStore) {
        let mut state = self.state();
        *state = State { now: state.now, history: state.history + 1, ..saved.state };
    }

    /// Changes the stock of a sale without an entry in its ledger.
    ///
    /// # Panics
    ///
    /// Panics if the store does not have the sale.
    pub fn edit<T>(&self, sale: SaleId, change: impl FnOnce(&mut Stock) -> T) -> T {
        change(&mut self.state().known(sale).stock)
    }

    /// Appends an entry to the ledger of a sale without a change of its stock, and returns its id.
    ///
    /// # Panics
    ///
    /// Panics if the store does not have the sale.
    pub fn append(&self, sale: SaleId, event: LedgerEvent) -> LedgerId {
        let mut state = self.state();
        let now = state.now;
        let id = state.known(sale).append(now, event);
        self.shared.entries.notify_waiters();
        id
    }

    /// Appends an attempt that cannot be read.
    ///
    /// # Panics
    ///
    /// Panics if the store does not have the sale.
    pub fn append_unreadable_attempt(&self, sale: SaleId) -> LedgerId {
        let mut state = self.state();
        let now = state.now;
        state.known(sale).attempt(now, |_| None)
    }

    async fn run<T, E: From<StoreError>>(
        &self,
        call: StoreCall,
        work: impl FnOnce(&mut State) -> Result<T, E>,
    ) -> Result<T, E> {
        self.calls().run(call, || work(&mut self.state())).await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns the state of a sale in this epoch, as a script of the epoch finds it.
    fn in_epoch(&mut self, epoch: Epoch, sale: SaleId) -> Result<&mut SaleState, StoreError> {
        let is_loaded = self.scripts.contains(&epoch);
        let sale = self.sales.get_mut(&sale).filter(|sale| is_loaded && sale.epoch == Some(epoch));
        sale.ok_or(StoreError::Fenced)
    }

    fn known(&mut self, sale: SaleId) -> &mut SaleState {
        self.sales.get_mut(&sale).unwrap_or_else(|| panic!("the store does not have the sale {sale}"))
    }
}

impl SaleState {
    fn append(&mut self, now: DateTime<Utc>, event: LedgerEvent) -> LedgerId {
        let id = self.last_entry().following(now);
        self.ledger.push(LedgerEntry { id, event });
        id
    }

    fn attempt(&mut self, now: DateTime<Utc>, attempt: impl FnOnce(LedgerId) -> Option<Attempt>) -> LedgerId {
        let id = id_at(now).max(self.last_attempt.next());
        self.attempts.push((id, attempt(id)));
        self.last_attempt = id;
        id
    }

    fn last_entry(&self) -> LedgerId {
        self.ledger.last().map_or(LedgerId::ZERO, |entry| entry.id)
    }
}

/// Returns the first id of the millisecond.
fn id_at(now: DateTime<Utc>) -> LedgerId {
    let id = format!("{}-0", now.timestamp_millis());
    id.parse().unwrap_or_else(|invalid| panic!("the clock stands at {now}: {invalid}"))
}

#[async_trait]
impl Probe for MemoryStore {
    async fn ping(&self) -> Result<(), StoreError> {
        self.run(StoreCall::Ping, |_| Ok(())).await
    }
}
