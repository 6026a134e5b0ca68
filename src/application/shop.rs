//! What every use case works with.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Notify, Semaphore};

use crate::domain::{LedgerEntry, LedgerEvent, LedgerId, Sale, SaleId, Stock};

use super::fence::{Epoch, Fence};
use super::live_sale::LiveSale;
use super::ports::{Archive, Decided, Ledger, SaleStore, StockStore, StoreError};
use super::refusals::Refusals;
use super::sales::Sales;

/// What can be set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Length of a periodic sale; whole seconds.
    pub sale_every: Duration,
    /// How long before its start the next periodic sale is made, at most one period.
    pub sale_lead: Duration,
    /// Items of a periodic sale.
    pub sale_items: u32,
    /// Units that a user may own of a sale that sets no limit of its own.
    pub user_limit: u32,
    /// How long a purchase waits to become durable before it is answered "confirming".
    pub ack_timeout: Duration,
    /// How old an entry of the ledger may grow without being durable before new purchases are refused.
    pub lag_limit: Duration,
}

/// The outside world.
pub struct Ports {
    pub stock: Arc<dyn StockStore>,
    pub sale_store: Arc<dyn SaleStore>,
    pub ledger: Arc<dyn Ledger>,
    pub archive: Arc<dyn Archive>,
}

/// The service without its edges: ports, what this instance knows of the sales, and the use cases, each of
/// which is a file of this module.
pub struct Shop {
    pub stock: Arc<dyn StockStore>,
    pub sale_store: Arc<dyn SaleStore>,
    pub ledger: Arc<dyn Ledger>,
    pub archive: Arc<dyn Archive>,
    pub fence: Arc<Fence>,
    pub settings: Settings,
    pub sales: Sales,
    pub clock: Clock,
    pub refusals: Refusals,
    /// A sale was added whose ledger nobody follows yet.
    pub sale_added: Notify,
    /// Loading sales that are not in memory: few at a time, so that asking for many cannot take all
    /// connections to PostgreSQL.
    loading: Semaphore,
    /// Audits of live sales: one at a time, so that they leave connections for recovery.
    pub(super) auditing: Semaphore,
}

/// The clock of Redis, estimated. Good enough to look at; decisions are made by the real one.
#[derive(Debug, Default)]
pub struct Clock {
    offset_ms: AtomicI64,
}

impl Clock {
    /// The time it is in Redis.
    pub fn now(&self) -> DateTime<Utc> {
        Utc::now() + TimeDelta::milliseconds(self.offset_ms.load(Ordering::Relaxed))
    }

    /// Sets the clock by what Redis has just said.
    pub fn set(&self, now: DateTime<Utc>) {
        self.offset_ms.store((now - Utc::now()).num_milliseconds(), Ordering::Relaxed);
    }
}

impl Shop {
    /// A shop with these stores. It knows no sale and decides nothing until it has recovered.
    pub fn new(ports: Ports, fence: Arc<Fence>, settings: Settings) -> Self {
        let Ports { stock, sale_store, ledger, archive } = ports;
        Shop {
            stock,
            sale_store,
            ledger,
            archive,
            fence,
            settings,
            sales: Sales::default(),
            clock: Clock::default(),
            refusals: Refusals::default(),
            sale_added: Notify::new(),
            loading: Semaphore::new(2),
            auditing: Semaphore::new(1),
        }
    }

    /// The epoch to decide in.
    pub fn epoch(&self) -> Result<Epoch, StoreError> {
        self.fence.epoch().ok_or(StoreError::Fenced)
    }

    /// The sale, whether it is live or of the past; `None` where it does not exist.
    pub async fn find_sale(&self, id: SaleId) -> Result<Option<Arc<LiveSale>>, StoreError> {
        if let Some(sale) = self.known(id) {
            return Ok(Some(sale));
        }
        let turn = tokio::time::timeout(Duration::from_millis(500), self.loading.acquire()).await;
        let _turn = turn.map_err(|_| StoreError::Busy("too many sales are being looked up"))?;
        if let Some(sale) = self.known(id) {
            return Ok(Some(sale));
        }
        match self.archive.sale(id).await? {
            None => Ok(None),
            Some(sale) if sale.closed => {
                let past = Arc::new(self.load_past(sale).await?);
                self.sales.keep(past.clone());
                Ok(Some(past))
            }
            Some(sale) => self.admit(sale).await.map(Some),
        }
    }

    fn known(&self, id: SaleId) -> Option<Arc<LiveSale>> {
        self.sales.live(id).or_else(|| self.sales.past(id))
    }

    /// Makes a sale that is not closed live on this instance, and opens it in Redis if nobody has.
    pub async fn admit(&self, sale: Sale) -> Result<Arc<LiveSale>, StoreError> {
        let (id, epoch) = (sale.id, self.epoch()?);
        let catalog = Arc::new(self.archive.catalog(id).await?);
        let cursors = self.archive.cursors(id).await?;
        // With something archived, a sale has been opened before: should Redis not have it, it forgot,
        // and only recovery may give it back.
        if cursors.ledger == LedgerId::ZERO {
            let opened = self.sale_store.open(epoch, &Stock::new(sale.clone(), &catalog)).await;
            opened.map_err(|error| self.noticing(epoch, error))?;
        }
        let live = Arc::new(LiveSale::new(sale, catalog));
        self.catch_up(&live).await?;
        let live = self.sales.add(live);
        self.sale_added.notify_one();
        Ok(live)
    }

    /// A sale as the archive has it: everything in it is durable.
    async fn load_past(&self, sale: Sale) -> Result<LiveSale, StoreError> {
        let (id, catalog) = (sale.id, self.archive.catalog(sale.id).await?);
        let past = LiveSale::new(sale, Arc::new(catalog));
        let entry = |decided: Decided| LedgerEntry { id: decided.id, event: LedgerEvent::Sold(decided.sold) };
        let entries: Vec<LedgerEntry> = self.archive.sold_in(id).await?.into_iter().map(entry).collect();
        past.apply(&entries);
        past.refresh_filter();
        past.confirmations.close();
        Ok(past)
    }

    /// Passes an error on, and wakes recovery if it means that Redis forgot a sale that is live.
    pub fn noticing(&self, epoch: Epoch, error: StoreError) -> StoreError {
        if matches!(error, StoreError::Fenced) && self.fence.trip(epoch) {
            tracing::warn!(
                epoch = epoch.0,
                "Redis does not hold the state of this epoch: purchases are refused until it is restored"
            );
        }
        error
    }
}
