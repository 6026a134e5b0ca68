//! Recovery: checks what Redis holds of each sale, at the start and after every suspected loss, and restores it.

use std::sync::Arc;

use futures::TryStreamExt;

use crate::application::shared::StoreError;
use crate::domain::sale::Stock;
use crate::domain::shared::{Epoch, LedgerId, SaleId};

use super::archived::archived_entries;
use super::live_sale::LiveSale;
use super::persist::{LedgerWriter, Progress};
use super::ports::{Cursors, Lock, LockName, PersistError, StoredSale};
use super::shop::Shop;

/// The result of a recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovered {
    /// Redis holds the state of every sale; nothing had to be restored.
    Intact,
    /// The sales that Redis had lost were restored from PostgreSQL, in this new epoch.
    Restored(Epoch),
    /// Another instance is recovering.
    Elsewhere,
}

/// The answer while another Redis decides.
const STALE: StoreError =
    StoreError::Busy("this Redis has an older epoch than PostgreSQL and has lost nothing: another Redis decides now");

impl Shop {
    /// Opens the fence of every live sale: at once if Redis holds its state, otherwise once it is restored. Idempotent;
    /// one instance restores at a time.
    ///
    /// Once a new epoch of a sale has begun, nothing decided in an older one reaches PostgreSQL except through here: the
    /// rest of the ledger is drained, then the state of the sale is rebuilt from PostgreSQL alone. The same path leads to
    /// a correct state whether Redis lost everything or nothing.
    pub async fn recover(&self) -> Result<Recovered, StoreError> {
        if self.join_all().await?.is_empty() {
            return Ok(Recovered::Intact);
        }
        let Some(mut lock) = self.archive.try_lock(LockName::Recovery).await? else { return Ok(Recovered::Elsewhere) };
        // A Redis that lost one sale may have lost others: they are restored together.
        self.check_redis().await?;
        let lost = self.join_all().await?;
        if lost.is_empty() {
            return Ok(Recovered::Intact);
        }
        let ids: Vec<SaleId> = lost.iter().map(|(sale, _)| sale.id()).collect();
        // PostgreSQL may have forgotten epochs, too.
        let seen = lost.iter().flat_map(|(sale, stored)| [Some(sale.fence.last()), stored.epoch]);
        let above = seen.flatten().max().unwrap_or(Epoch(0));
        let epoch = self.archive.begin_epoch(above, &ids).await?;
        for (sale, _) in &lost {
            self.restore(epoch, sale, lock.as_mut()).await?;
        }
        self.store.load_scripts(epoch).await?;
        self.archive.end_restoration(epoch).await?;
        self.join_all().await?;
        Ok(Recovered::Restored(epoch))
    }

    /// Returns true if a live sale waits for recovery.
    pub fn needs_recovery(&self) -> bool {
        self.sales.all_live().iter().any(|sale| sale.fence.epoch().is_none())
    }

    /// Closes the fences of the sales whose state Redis no longer holds. This finds a loss while nobody buys.
    pub async fn check_redis(&self) -> Result<(), StoreError> {
        let mut result = Ok(());
        for sale in self.sales.all_live() {
            if sale.fence.epoch().is_some() {
                result = self.check_sale(&sale).await.and(result);
            }
        }
        result
    }

    /// Closes the fence of a sale if Redis no longer holds its state, or if another Redis does: that one has begun a newer
    /// epoch, and nothing here tells of it.
    pub(super) async fn check_sale(&self, sale: &LiveSale) -> Result<(), StoreError> {
        let epoch = self.enter(sale)?;
        let stored = self.store.stored(epoch.number(), sale.id(), sale.confirmations.persisted()).await?;
        if !stored.is_intact(epoch.number()) || self.archive.cursors(sale.id()).await?.epoch > epoch.number() {
            epoch.note_loss();
        }
        Ok(())
    }

    /// Opens the fences of the live sales that Redis holds. Returns the other ones, with what Redis has of them.
    async fn join_all(&self) -> Result<Vec<(Arc<LiveSale>, StoredSale)>, StoreError> {
        let mut lost = Vec::new();
        for sale in self.sales.all_live() {
            if sale.fence.epoch().is_none()
                && let Some(stored) = self.join(&sale).await?
            {
                lost.push((sale, stored));
            }
        }
        Ok(lost)
    }

    /// Opens the fence of a sale if Redis holds its state. A sale that was never open anywhere is opened. Returns what
    /// Redis holds instead, if it has to be restored.
    pub(super) async fn join(&self, sale: &LiveSale) -> Result<Option<StoredSale>, StoreError> {
        let id = sale.id();
        let Cursors { epoch, ledger, is_restoring, .. } = self.archive.cursors(id).await?;
        self.store.join(epoch).await?;
        let mut stored = self.store.stored(epoch, id, ledger).await?;
        // A sale that this instance has seen open must be there, archived or not.
        if stored.epoch.is_none() && ledger == LedgerId::ZERO && !sale.fence.was_open() {
            match self.store.open(epoch, &Stock::new((*sale.sale()).clone(), &sale.catalog)).await {
                Ok(()) => stored = self.store.stored(epoch, id, ledger).await?,
                Err(StoreError::Fenced) => {}
                Err(error) => return Err(error),
            }
        }
        if stored.is_intact(epoch) {
            sale.fence.open(epoch);
            self.passed_by.store(None);
            return Ok(None);
        }
        // Otherwise two instances with a Redis each would take the sale from each other again and again.
        if !is_restoring && self.is_passed_by(sale, epoch, &stored).await? {
            return Err(STALE);
        }
        Ok(Some(stored))
    }

    /// Returns true if Redis has an older epoch of the sale, and has lost nothing: another Redis decides. It decides in
    /// later sales, too, of which this Redis has nothing.
    async fn is_passed_by(&self, sale: &LiveSale, epoch: Epoch, stored: &StoredSale) -> Result<bool, StoreError> {
        match stored.epoch {
            Some(held) if held < epoch && stored.is_remembered => {
                self.passed_by.store(Some(self.store.history().await?.into()));
                Ok(true)
            }
            None if !sale.fence.was_open() => match self.passed_by.load_full() {
                Some(passed_by) => Ok(*passed_by == self.store.history().await?),
                None => Ok(false),
            },
            Some(_) => {
                self.passed_by.store(None);
                Ok(false)
            }
            None => Ok(false),
        }
    }

    async fn restore(&self, epoch: Epoch, sale: &LiveSale, lock: &mut dyn Lock) -> Result<(), StoreError> {
        let id = sale.id();
        self.store.fence(epoch, id).await?;
        match self.drain(epoch, sale).await {
            Ok(()) => {}
            // Unreadable entries were never acknowledged.
            Err(PersistError::Store(StoreError::Corrupt(what))) => {
                tracing::error!(sale = %id, what, "the rest of the ledger cannot be read");
            }
            Err(PersistError::Store(error)) => return Err(error),
            Err(_) => return Err(StoreError::Fenced),
        }
        let archived = archived_entries(self.archive.as_ref(), id).try_concat().await?;
        let cursors = self.archive.cursors(id).await?;
        let stock = Stock::with_entries((*sale.sale()).clone(), &sale.catalog, archived)
            .map_err(|broken| StoreError::Corrupt(format!("sale {id} in PostgreSQL: {broken}")))?;
        if !lock.is_held().await || cursors.epoch != epoch {
            return Err(StoreError::Busy("another instance has begun to recover"));
        }
        tracing::info!(sale = %id, epoch = epoch.0, purchases = stock.purchases.len(), "restoring a sale from PostgreSQL");
        self.store.restore(epoch, &stock, cursors.ledger, cursors.attempts).await
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
