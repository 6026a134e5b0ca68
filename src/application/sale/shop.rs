//! The shop: everything that the use cases of the sale context work with.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use chrono::TimeDelta;
use futures::TryStreamExt;
use tokio::sync::Notify;

use crate::application::shared::blocking::apart;
use crate::application::shared::{StoreError, Tasks, Turns};
use crate::domain::sale::{Catalog, PaymentWindow, Sale};
use crate::domain::shared::SaleId;

use super::archived::archived_entries;
use super::clock::Clock;
use super::fence::{Alarm, CurrentEpoch};
use super::live_sale::LiveSale;
use super::ports::{Archive, Reads, Store};
use super::refusals::Refusals;
use super::registry::SaleRegistry;
use super::sale_lists::SaleLists;

/// Sales that are looked up at once.
const LOADS_MAX: usize = 2;

/// Requests that wait for their turn to look up a sale.
const WAITING_LOADS_MAX: usize = 64;

/// The answer to a request for the current sale while this instance cannot name it.
pub(super) const NO_CURRENT_SALE: StoreError = StoreError::Busy("no hourly sale is open on this instance yet");

/// Longest wait for a turn to look up a sale.
const LOAD_WAIT: Duration = Duration::from_millis(500);

/// The settings of a shop.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Length of a periodic sale, in whole seconds.
    pub sale_every: Duration,
    /// Time from the creation of a periodic sale to its start, at most one period.
    pub sale_lead: Duration,
    /// Items of a periodic sale.
    pub sale_items: u32,
    /// Units that a user may own of a sale that sets no limit of its own.
    pub user_limit: u32,
    /// Time in which a purchase of a periodic sale must be paid; `None` if it need not be.
    pub payment_window: Option<PaymentWindow>,
    /// Time after its last checkout for which a cart is kept.
    pub cart_idle: Duration,
    /// Longest wait of a purchase for its commit; after it the answer is "confirming".
    pub ack_timeout: Duration,
    /// Largest age of an unarchived ledger entry; beyond it new purchases are refused.
    pub lag_limit: Duration,
}

impl Settings {
    /// Returns the length of a periodic sale.
    pub fn period(&self) -> TimeDelta {
        in_range(self.sale_every)
    }

    /// Returns the time from the creation of a periodic sale to its start.
    pub fn lead(&self) -> TimeDelta {
        in_range(self.sale_lead.min(self.sale_every))
    }
}

fn in_range(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or_else(|_| panic!("a period of {duration:?} is longer than any sale"))
}

/// The core of the service: the ports, the state of this instance and, as methods in the files of this module,
/// the use cases.
pub struct Shop {
    pub store: Arc<dyn Store>,
    pub archive: Arc<dyn Archive>,
    /// The archive for requests that read: a flood of them takes nothing from the work that needs `archive`.
    pub reads: Arc<dyn Reads>,
    /// Raised for a sale that waits for recovery.
    pub alarm: Alarm,
    pub settings: Settings,
    pub sales: SaleRegistry,
    pub clock: Clock,
    pub refusals: Refusals,
    /// Signals a new live sale, whose ledger nobody follows yet.
    pub sale_added: Notify,
    /// The background tasks of this instance.
    pub tasks: Arc<Tasks>,
    /// The history of the store, once it is known that another store decides in its place.
    pub(super) passed_by: ArcSwapOption<String>,
    pub(super) sale_lists: SaleLists,
    loading: Turns,
}

impl Shop {
    /// A shop with these stores. It knows no sale.
    pub fn new(store: Arc<dyn Store>, archive: Arc<dyn Archive>, reads: Arc<dyn Reads>, settings: Settings) -> Self {
        Shop {
            store,
            archive,
            reads,
            alarm: Alarm::default(),
            settings,
            sales: SaleRegistry::default(),
            clock: Clock::default(),
            refusals: Refusals::default(),
            sale_added: Notify::new(),
            tasks: Arc::default(),
            passed_by: ArcSwapOption::empty(),
            sale_lists: SaleLists::default(),
            loading: Turns::new(LOADS_MAX, WAITING_LOADS_MAX, LOAD_WAIT),
        }
    }

    /// Returns the hourly sale that is open. Fails with `Busy` while this instance has none yet.
    pub fn current_sale(&self) -> Result<Arc<LiveSale>, StoreError> {
        let current = self.sales.current(self.clock.now());
        current.ok_or(NO_CURRENT_SALE)
    }

    /// Returns a sale, live or past; `None` if it does not exist.
    pub async fn find_sale(&self, id: SaleId) -> Result<Option<Arc<LiveSale>>, StoreError> {
        if let Some(sale) = self.known(id)? {
            return Ok(Some(sale));
        }
        let _turn = self.loading.take().await.ok_or(StoreError::Busy("too many sales are being looked up"))?;
        if let Some(sale) = self.known(id)? {
            return Ok(Some(sale));
        }
        match self.reads.sale(id).await? {
            None => Ok(None),
            Some(sale) if sale.closed => {
                let past = Arc::new(self.load_past(sale).await?);
                self.sales.keep(past.clone());
                Ok(Some(past))
            }
            Some(sale) => {
                self.activate(sale).await?;
                self.known(id)
            }
        }
    }

    /// Enters the current epoch of a sale. Fails with [`StoreError::Fenced`] while its fence is closed.
    pub fn enter<'a>(&'a self, sale: &'a LiveSale) -> Result<CurrentEpoch<'a>, StoreError> {
        sale.fence.enter(sale.id(), &self.alarm)
    }

    /// Returns a sale that this instance knows. Fails with `Fenced` while Redis has not shown its state.
    fn known(&self, id: SaleId) -> Result<Option<Arc<LiveSale>>, StoreError> {
        match self.sales.live(id) {
            Some(live) if !live.fence.was_open() => Err(StoreError::Fenced),
            Some(live) => Ok(Some(live)),
            None => Ok(self.sales.past(id)),
        }
    }

    /// Makes a sale live on this instance, and opens it in Redis if no instance has.
    pub async fn activate(&self, sale: Sale) -> Result<Arc<LiveSale>, StoreError> {
        let catalog = self.archive.catalog(sale.id).await?;
        self.activate_with(sale, catalog).await
    }

    /// Does the same with the catalog of the sale at hand.
    pub(super) async fn activate_with(&self, sale: Sale, catalog: Catalog) -> Result<Arc<LiveSale>, StoreError> {
        let live = apart(|| Arc::new(LiveSale::new(sale, Arc::new(catalog)))).await;
        self.catch_up(&live).await?;
        let live = self.sales.add(live);
        self.sale_added.notify_one();
        if live.fence.epoch().is_none() && !matches!(self.join(&live).await, Ok(None)) {
            self.alarm.raise();
        }
        Ok(live)
    }

    /// Reads a sale from the archive: everything in it is durable.
    pub(super) async fn load_past(&self, sale: Sale) -> Result<LiveSale, StoreError> {
        let (id, catalog) = (sale.id, self.reads.catalog(sale.id).await?);
        let past = apart(|| LiveSale::new(sale, Arc::new(catalog))).await;
        let mut pages = pin!(archived_entries(self.reads.as_ref(), id));
        while let Some(page) = pages.try_next().await? {
            past.apply(&page);
        }
        past.refresh_filter();
        past.confirmations.close();
        Ok(past)
    }
}
