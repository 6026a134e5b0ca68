//! The schedule: creates periodic sales before their time, and activates and closes sales.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::application::shared::StoreError;
use crate::application::shared::blocking::apart;
use crate::domain::sale::{Catalog, Sale, Window};
use crate::domain::shared::{LedgerId, SaleId};

use super::live_sale::LiveSale;
use super::ports::SaleFilter;
use super::shop::Shop;

/// Time after its end in which a sale may still get entries, for purchases that were being decided.
const CLOSING_GRACE: TimeDelta = TimeDelta::seconds(2);

/// Time after the end of a sale for which Redis keeps its receipts.
const RECEIPTS_KEPT: TimeDelta = TimeDelta::days(1);

impl Shop {
    /// Brings all sales into the state that they should be in now. The current and, in time, the next periodic sale
    /// exist; every sale that is not closed is live on this instance; an ended and archived sale is closed;
    /// Redis drops a sale that has been closed for long. Idempotent, on any number of instances.
    pub async fn keep_schedule(&self) -> Result<(), StoreError> {
        let now = self.agreed_time().await?;
        for window in self.windows_due(now) {
            if self.sales.live(SaleId::hourly(window.starts_at)).is_none() {
                self.create_hourly(window).await?;
            }
        }
        self.remember_previous(now).await?;
        let open = self.archive.sales(SaleFilter::Live).await?;
        self.account_for_missing(&open).await?;
        // A failure with one sale does not keep the others from being advanced.
        let mut result = Ok(());
        for sale in open {
            result = self.advance(sale, now).await.and(result);
        }
        self.store.drop_retired(now).await.and(result)
    }

    /// Returns the pause until this instance should look at the schedule again.
    pub fn schedule_pause(&self) -> Duration {
        (self.settings.sale_every / 4).clamp(Duration::from_millis(200), Duration::from_secs(1))
    }

    /// The windows whose sale must exist by now: the current one, and the next once its lead has begun.
    fn windows_due(&self, now: DateTime<Utc>) -> impl Iterator<Item = Window> + use<> {
        let current = Window::containing(now, self.settings.sale_every);
        let lead = self.settings.lead();
        let next = Some(current.next()).filter(|next| next.starts_at - lead <= now);
        std::iter::once(current).chain(next)
    }

    /// Keeps the previous periodic sale in memory, before the current one sells here: a request that bought in it and
    /// comes again is recognized, also by an instance that has started since.
    async fn remember_previous(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        let every = self.settings.sale_every;
        let current = Window::containing(now, every);
        let previous = SaleId::hourly(current.starts_at - every);
        if self.sales.live(previous).is_none()
            && self.sales.past(previous).is_none()
            && let Some(sale) = self.archive.sale(previous).await?
            && sale.closed
        {
            self.sales.keep(Arc::new(self.load_past(sale).await?));
        }
        Ok(())
    }

    async fn create_hourly(&self, window: Window) -> Result<(), StoreError> {
        let items = self.settings.sale_items;
        let catalog = apart(move || Catalog::generated(items))
            .await
            .unwrap_or_else(|invalid| unreachable!("the number of items is checked at the start: {invalid}"));
        let (payment_window, waiting_room) = (self.settings.payment_window, self.settings.waiting_room);
        let id = SaleId::hourly(window.starts_at);
        let sale = Sale { payment_window, waiting_room, ..Sale::new(id, window, self.settings.user_limit, &catalog) };
        if self.archive.create_sale(&sale, &catalog).await? {
            tracing::info!(sale = %sale.id, items = sale.items, "created the sale that starts at {}", window.starts_at);
        }
        Ok(())
    }

    /// Closes the live sales that another instance has closed, and writes those again that PostgreSQL has lost: a standby
    /// that was behind may have become the primary. The ledger writer then archives their ledgers again.
    async fn account_for_missing(&self, open: &[Sale]) -> Result<(), StoreError> {
        let open: HashSet<SaleId> = open.iter().map(|sale| sale.id).collect();
        for live in self.sales.all_live().iter().filter(|live| !open.contains(&live.id())) {
            match self.archive.sale(live.id()).await? {
                Some(sale) if sale.closed => self.sales.close(live.id()),
                Some(_) => {}
                None => {
                    let is_written = self.archive.create_sale(&live.sale(), &live.catalog).await?;
                    tracing::error!(sale = %live.id(), is_written, "PostgreSQL had lost this live sale");
                }
            }
        }
        Ok(())
    }

    /// Moves one sale on: activates it, passes a changed end on to Redis, and closes it when it is over.
    async fn advance(&self, sale: Sale, now: DateTime<Utc>) -> Result<(), StoreError> {
        let live = match self.sales.live(sale.id) {
            Some(live) => live,
            None => self.activate(sale.clone()).await?,
        };
        let is_over = sale.window.is_empty() || now >= sale.window.ends_at + CLOSING_GRACE;
        if live.sale().window == sale.window && !is_over {
            return Ok(());
        }
        // Redis must know the end before the sale may be closed.
        let epoch = self.enter(&live)?;
        epoch.check(self.store.end(epoch.number(), sale.id, sale.window.ends_at).await)?;
        live.update(sale.clone());
        if is_over && self.is_archived(&live).await? {
            epoch.check(self.store.seal(epoch.number(), sale.id).await)?;
            // A release may have come before the seal.
            if self.is_archived(&live).await? {
                self.close(sale, now).await?;
            }
        }
        Ok(())
    }

    /// Returns true if nothing of an ended sale is left to be archived.
    async fn is_archived(&self, sale: &LiveSale) -> Result<bool, StoreError> {
        let id = sale.id();
        let cursors = self.archive.cursors(id).await?;
        let archived = cursors.ledger > LedgerId::ZERO
            && self.store.read(id, cursors.ledger, 1).await?.is_empty()
            && self.store.read_attempts(id, cursors.attempts, 1).await?.last.is_none();
        let archived = archived && self.archive.is_settled(id).await?;
        Ok(archived && self.archive.rejections(id).await?.iter().all(|entry| entry.released))
    }

    async fn close(&self, sale: Sale, now: DateTime<Utc>) -> Result<(), StoreError> {
        // Counted from now for a sale that ended long ago: it is not closed yet, so nothing of it may expire at once.
        self.store.retire(sale.id, sale.window.ends_at.max(now) + RECEIPTS_KEPT).await?;
        self.archive.close_sale(sale.id).await?;
        self.sales.close(sale.id);
        tracing::info!(sale = %sale.id, "closed the sale: everything of it is in PostgreSQL");
        Ok(())
    }
}
