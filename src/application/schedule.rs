//! The life of sales: made before their time, open in it, closed after it.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::limits::LIVE_SALES_MAX;
use crate::domain::{Catalog, Currency, Invalid, Item, LedgerId, Sale, SaleId, Window};

use super::live_sale::LiveSale;
use super::ports::{SaleFilter, StoreError};
use super::shop::Shop;

/// How long after its end a sale may still get entries, for purchases that were being decided.
const CLOSING_GRACE: TimeDelta = TimeDelta::seconds(2);

/// How long a sale may last.
const LONGEST_SALE: TimeDelta = TimeDelta::days(366);

/// How long after the end of a sale Redis keeps its receipts.
const RECEIPTS_KEPT: TimeDelta = TimeDelta::days(1);

/// A sale that an administrator asks for.
#[derive(Debug, Clone)]
pub struct NewSale {
    /// Now, where it is not said.
    pub starts_at: Option<DateTime<Utc>>,
    /// One period after the start, where it is not said.
    pub ends_at: Option<DateTime<Utc>>,
    pub offer: Offer,
    pub user_limit: Option<u32>,
}

/// What a new sale sells.
#[derive(Debug, Clone)]
pub enum Offer {
    /// So many made-up items.
    Generated(u32),
    /// These, in this currency.
    Listed(Currency, Vec<Item>),
}

/// Why no sale was made.
#[derive(Debug, thiserror::Error)]
pub enum NewSaleError {
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error(transparent)]
    Failed(#[from] StoreError),
}

impl Shop {
    /// Brings the sales into the state that they should be in now: the current and, in time, the next
    /// periodic sale exist; every sale that is not closed is live on this instance; what has ended and is
    /// archived is closed. Idempotent, on any number of instances.
    pub async fn keep_schedule(&self) -> Result<(), StoreError> {
        let epoch = self.epoch()?;
        let now = self.sale_store.now().await?;
        self.clock.set(now);
        for window in self.windows_due(now) {
            if self.sales.live(SaleId::hourly(window.starts_at)).is_none() {
                self.create_hourly(window).await?;
            }
        }
        let open = self.archive.sales(SaleFilter::Live).await?;
        let ids: HashSet<SaleId> = open.iter().map(|sale| sale.id).collect();
        for id in self.sales.all_live().iter().map(|live| live.sale().id).filter(|id| !ids.contains(id)) {
            if self.archive.sale(id).await?.is_some_and(|sale| sale.closed) {
                self.sales.close(id);
            }
        }
        // One sale that makes trouble keeps nobody from tending the others.
        let mut result = Ok(());
        for sale in open {
            result = self.tend(sale, now).await.map_err(|error| self.noticing(epoch, error)).and(result);
        }
        result
    }

    /// The windows whose sale must exist by now: the current one, and the next when its time has come.
    fn windows_due(&self, now: DateTime<Utc>) -> impl Iterator<Item = Window> + use<> {
        let current = Window::containing(now, self.settings.sale_every);
        let lead = TimeDelta::from_std(self.settings.sale_lead.min(self.settings.sale_every)).unwrap_or_default();
        let next = Some(current.next()).filter(|next| next.starts_at - lead <= now);
        std::iter::once(current).chain(next)
    }

    async fn create_hourly(&self, window: Window) -> Result<(), StoreError> {
        let catalog = Catalog::generated(self.settings.sale_items)
            .unwrap_or_else(|invalid| unreachable!("the number of items is checked at the start: {invalid}"));
        let sale = self.new_sale(SaleId::hourly(window.starts_at), window, self.settings.user_limit, &catalog);
        if self.archive.create_sale(&sale, &catalog).await? {
            tracing::info!(sale = %sale.id, items = sale.items, "created the sale that starts at {}", window.starts_at);
        }
        Ok(())
    }

    fn new_sale(&self, id: SaleId, window: Window, user_limit: u32, catalog: &Catalog) -> Sale {
        let (currency, items, units) = (catalog.currency(), catalog.items(), catalog.units());
        Sale { id, window, user_limit, currency, items, units, closed: false }
    }

    async fn tend(&self, sale: Sale, now: DateTime<Utc>) -> Result<(), StoreError> {
        let live = match self.sales.live(sale.id) {
            Some(live) => live,
            None => self.admit(sale.clone()).await?,
        };
        if live.sale().window != sale.window {
            self.sale_store.end(sale.id, sale.window.ends_at).await?;
            live.update(sale.clone());
        }
        let is_over = sale.window.is_empty() || now >= sale.window.ends_at + CLOSING_GRACE;
        if is_over {
            // An end that Redis has not heard of must not be taken for one.
            self.sale_store.end(sale.id, sale.window.ends_at).await?;
        }
        if is_over && self.is_written(&live).await? {
            // Of a sale that ended long ago nothing expires at once: it is not closed yet.
            self.sale_store.retire(sale.id, sale.window.ends_at.max(now) + RECEIPTS_KEPT).await?;
            self.archive.close_sale(sale.id).await?;
            self.sales.close(sale.id);
            tracing::info!(sale = %sale.id, "closed: everything of it is in PostgreSQL");
        }
        Ok(())
    }

    /// Whether nothing of an ended sale is left to be written.
    async fn is_written(&self, sale: &LiveSale) -> Result<bool, StoreError> {
        let id = sale.sale().id;
        let cursors = self.archive.cursors(id).await?;
        let written = cursors.ledger > LedgerId::ZERO
            && self.ledger.read(id, cursors.ledger, 1).await?.is_empty()
            && self.ledger.read_attempts(id, cursors.attempts, 1).await?.last.is_none();
        Ok(written && self.archive.rejections(id).await?.iter().all(|letter| letter.released))
    }

    /// Makes a sale that somebody asked for. It is complete, and open to purchases if its time has come, when
    /// this returns.
    pub async fn create_sale(&self, wanted: NewSale) -> Result<Sale, NewSaleError> {
        let now = self.sale_store.now().await?;
        let starts_at = wanted.starts_at.unwrap_or(now);
        // Sale ids tell the start to the second, so sales start on one.
        let starts_at = DateTime::from_timestamp(starts_at.timestamp(), 0).unwrap_or(starts_at);
        let period = TimeDelta::from_std(self.settings.sale_every).unwrap_or_default();
        let window = Window::new(starts_at, wanted.ends_at.unwrap_or(starts_at + period))?;
        if window.ends_at <= now {
            return Err(Invalid("ended_at must lie in the future").into());
        }
        if window.ends_at - window.starts_at > LONGEST_SALE {
            return Err(Invalid("a sale lasts at most a year").into());
        }
        self.epoch()?;
        if self.archive.sales(SaleFilter::Live).await?.len() >= LIVE_SALES_MAX {
            return Err(StoreError::Busy("too many sales are scheduled or open: end one first").into());
        }
        let catalog = match wanted.offer {
            Offer::Generated(items) => Catalog::generated(items)?,
            Offer::Listed(currency, items) => Catalog::new(currency, items)?,
        };
        let user_limit = wanted.user_limit.unwrap_or(self.settings.user_limit);
        loop {
            let id = SaleId::special(starts_at, rand::random());
            let sale = self.new_sale(id, window, user_limit, &catalog);
            if self.archive.create_sale(&sale, &catalog).await? {
                // It exists now. Should it not be live here at once, the schedule sees to it.
                if let Err(error) = self.admit(sale.clone()).await {
                    tracing::warn!(sale = %id, %error, "the new sale is not open yet");
                }
                return Ok(sale);
            }
        }
    }

    /// Ends a sale now, for good. `None` where there is no such sale; a sale that has ended stays as it is.
    pub async fn end_sale(&self, id: SaleId) -> Result<Option<Sale>, StoreError> {
        let now = self.sale_store.now().await?;
        let Some(sale) = self.archive.end_sale(id, now).await? else { return Ok(None) };
        if !sale.closed {
            self.sale_store.end(id, sale.window.ends_at).await?;
        }
        if let Some(live) = self.sales.live(id) {
            live.update(sale.clone());
        }
        Ok(Some(sale))
    }

    /// How long until this instance should look at the schedule again.
    pub fn schedule_pause(&self) -> Duration {
        (self.settings.sale_every / 4).clamp(Duration::from_millis(200), Duration::from_secs(1))
    }
}
