//! Recovery: checks Redis at the start and after every suspected loss, and restores it.

use std::sync::Arc;

use futures::TryStreamExt;

use crate::application::shared::StoreError;
use crate::domain::sale::{Sale, Stock};
use crate::domain::shared::{Epoch, LedgerId};

use super::archived::archived_entries;
use super::live_sale::LiveSale;
use super::persist::{LedgerWriter, Progress};
use super::ports::{Cursors, Lock, LockName, PersistError, SaleFilter};
use super::shop::Shop;

/// The result of a recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovered {
    /// Redis holds the state of this epoch; nothing had to be restored.
    Intact(Epoch),
    /// Every live sale was restored from PostgreSQL, in this new epoch.
    Restored(Epoch),
    /// Another instance is recovering.
    Elsewhere,
}

impl Shop {
    /// Restores the state that Redis may have lost, and opens the fence. Idempotent; one instance at a time.
    ///
    /// Once the epoch is raised, nothing decided in an older one reaches PostgreSQL except through here: the rest of
    /// each ledger is drained, then the state of the sale is rebuilt from PostgreSQL alone. The same path leads to a
    /// correct state whether Redis lost everything or nothing.
    pub async fn recover(&self) -> Result<Recovered, StoreError> {
        let Some(mut lock) = self.archive.try_lock(LockName::Recovery).await? else { return Ok(Recovered::Elsewhere) };
        self.clock.set(self.store.now().await?);
        let sales = self.archive.sales(SaleFilter::Live).await?;
        let epoch = self.archive.epoch().await?;
        self.store.join(epoch).await?;
        if self.is_intact(epoch, &sales).await? {
            self.fence.open(epoch);
            return Ok(Recovered::Intact(epoch));
        }
        let epoch = self.archive.raise_epoch().await?;
        for sale in sales {
            self.restore(epoch, sale, lock.as_mut()).await?;
        }
        self.store.load_scripts(epoch).await?;
        self.fence.open(epoch);
        Ok(Recovered::Restored(epoch))
    }

    /// Closes the fence if Redis no longer holds the state of the live sales. This finds a loss while nobody buys.
    pub async fn check_redis(&self) -> Result<(), StoreError> {
        let epoch = self.fence.enter()?;
        let persisted = |sale: Arc<LiveSale>| (sale.id(), sale.confirmations.persisted());
        let sales: Vec<_> = self.sales.all_live().into_iter().map(persisted).collect();
        if !self.store.is_intact(epoch.number(), &sales).await? {
            epoch.note_loss();
        }
        Ok(())
    }

    async fn is_intact(&self, epoch: Epoch, sales: &[Sale]) -> Result<bool, StoreError> {
        let mut opened = Vec::with_capacity(sales.len());
        for sale in sales {
            let Cursors { ledger, .. } = self.archive.cursors(sale.id).await?;
            opened.push((sale, ledger));
        }
        // A sale that this instance has seen open must be there, archived or not.
        let must_exist = |sale: &Sale, ledger| ledger > LedgerId::ZERO || self.sales.live(sale.id).is_some();
        let archived: Vec<_> =
            opened.iter().filter(|(sale, ledger)| must_exist(sale, *ledger)).map(|(sale, id)| (sale.id, *id)).collect();
        if !self.store.is_intact(epoch, &archived).await? {
            return Ok(false);
        }
        // A sale with nothing archived may never have been opened: its creator may have crashed.
        for (sale, _) in opened.iter().filter(|(sale, ledger)| !must_exist(sale, *ledger)) {
            let catalog = self.archive.catalog(sale.id).await?;
            match self.store.open(epoch, &Stock::new((*sale).clone(), &catalog)).await {
                Ok(()) => {}
                Err(StoreError::Fenced) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    async fn restore(&self, epoch: Epoch, sale: Sale, lock: &mut dyn Lock) -> Result<(), StoreError> {
        let id = sale.id;
        self.store.fence(id).await?;
        let live = match self.sales.live(id) {
            Some(live) => live,
            None => Arc::new(LiveSale::new(sale.clone(), Arc::new(self.archive.catalog(id).await?))),
        };
        match self.drain(epoch, &live).await {
            Ok(()) => {}
            // Unreadable entries were never acknowledged.
            Err(PersistError::Store(StoreError::Corrupt(what))) => {
                tracing::error!(sale = %id, what, "the rest of the ledger cannot be read");
            }
            Err(PersistError::Store(error)) => return Err(error),
            Err(_) => return Err(StoreError::Fenced),
        }
        let Cursors { ledger, attempts, .. } = self.archive.cursors(id).await?;
        let archived = archived_entries(self.archive.as_ref(), id).try_concat().await?;
        let stock = Stock::with_entries(sale, &live.catalog, archived)
            .map_err(|broken| StoreError::Corrupt(format!("sale {id} in PostgreSQL: {broken}")))?;
        if !lock.is_held().await || self.archive.epoch().await? != epoch {
            return Err(StoreError::Busy("another instance has begun to recover"));
        }
        tracing::info!(sale = %id, epoch = epoch.0, purchases = stock.purchases.len(), "restoring a sale from PostgreSQL");
        self.store.restore(epoch, &stock, ledger, attempts).await
    }

    /// Archives the entries beyond the cursor: decided, not acknowledged, and not lost.
    async fn drain(&self, epoch: Epoch, sale: &LiveSale) -> Result<(), PersistError> {
        let mut writer = LedgerWriter::draining(epoch);
        loop {
            match writer.step(self, sale).await {
                Ok(Progress::Idle) => return Ok(()),
                Ok(Progress::More) | Err(PersistError::CursorMoved) => {}
                Err(error) => return Err(error),
            }
        }
    }
}
