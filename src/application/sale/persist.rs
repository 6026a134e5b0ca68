//! The ledger writer: copies the ledger of a sale to the archive in batches, each entry exactly once.

use std::time::{Duration, Instant};

use tracing::Instrument;

use crate::application::shared::StoreError;
use crate::domain::sale::{Holdings, LedgerEntry, LedgerEvent};
use crate::domain::shared::limits::LEDGER_BATCH;
use crate::domain::shared::{Epoch, LedgerId, SaleId};
use crate::sabotage::{Sabotage, is_on};

use super::live_sale::LiveSale;
use super::ports::{Cursors, DecideError, PersistError, Rejection, RejectionReason, Watermark};
use super::shop::Shop;

/// The result of one step of a writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The log is archived up to its end.
    Idle,
    /// There may be more to do at once.
    More,
}

/// The position of the writer in one sale and epoch. All of it can be read again, so any instance can continue at any
/// time.
#[derive(Debug)]
pub struct LedgerWriter {
    epoch: Epoch,
    /// The last archived entry, once it is known.
    cursor: Option<LedgerId>,
    /// The watermark that is not announced yet.
    unannounced: Option<Watermark>,
    released_all: bool,
    /// The sale is being restored: that frees the units to be released, and `release` is fenced off.
    is_draining: bool,
}

impl LedgerWriter {
    /// A writer that has not read yet how far the archive is.
    pub fn new(epoch: Epoch) -> Self {
        LedgerWriter { epoch, cursor: None, unannounced: None, released_all: false, is_draining: false }
    }

    /// A writer for a sale that is about to be restored: it releases nothing.
    pub fn draining(epoch: Epoch) -> Self {
        LedgerWriter { released_all: true, is_draining: true, ..LedgerWriter::new(epoch) }
    }

    /// Returns the epoch in which it writes.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Archives one batch of entries after the cursor, and wakes the purchases that wait for them.
    ///
    /// A batch ends before the release of one of its own purchases, whose rows it needs. While a batch commits, the next
    /// accumulates. A batch that the archive rejects is written entry by entry, so that only entries that are rejected for
    /// themselves are affected. Two writers at once are safe: the cursor moves only from where it was read.
    pub async fn step(&mut self, shop: &Shop, sale: &LiveSale) -> Result<Progress, PersistError> {
        if is_on(Sabotage::AcknowledgeBeforeCommit) {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        let (after, unannounced) = (self.cursor(shop, sale).await?, self.unannounced.take());
        let reading = self.next_entries(shop, sale, after);
        // The watermark is announced while the next batch is read.
        let (entries, ()) = tokio::join!(reading, announce(shop, unannounced));
        let entries = applicable_together(entries?);
        if !entries.is_empty() {
            // After a failure the cursor is read again.
            self.cursor = None;
            let batch = batch_span(self.epoch, sale, &entries);
            let archived = self.write(shop, sale, after, &entries).instrument(batch).await?;
            self.cursor = Some(archived);
            let ids: Vec<LedgerId> = entries.iter().map(|entry| entry.id).collect();
            sale.confirmations.advance(self.epoch, archived, ids.iter().copied(), []);
            let rejections = sale.confirmations.rejections();
            let (sale, epoch) = (sale.id(), self.epoch);
            self.unannounced = Some(Watermark { sale, epoch, persisted: archived, archived: ids, rejections });
        }
        if !self.released_all {
            self.release_rejected(shop, sale).await?;
        }
        Ok(if entries.is_empty() { Progress::Idle } else { Progress::More })
    }

    /// Returns the entries after the cursor, from memory if this instance knows them.
    async fn next_entries(
        &self,
        shop: &Shop,
        sale: &LiveSale,
        after: LedgerId,
    ) -> Result<Vec<LedgerEntry>, StoreError> {
        let known = sale.tail.following(self.epoch, after, LEDGER_BATCH);
        if !known.is_empty() {
            return Ok(known);
        }
        let entries = shop.store.read(sale.id(), after, LEDGER_BATCH).await?;
        match entries.first() {
            // A restored ledger has gaps where purchases were undone; so may one that waits to be drained.
            Some(first) if !self.is_draining && !after.precedes(first.id) => {
                tracing::error!(sale = %sale.id(), %after, next = %first.id, "the ledger has lost entries");
                Err(StoreError::Fenced)
            }
            _ => Ok(entries),
        }
    }

    /// Writes the batch as a whole or, if it is rejected, entry by entry. Returns the new cursor.
    async fn write(
        &mut self,
        shop: &Shop,
        sale: &LiveSale,
        after: LedgerId,
        entries: &[LedgerEntry],
    ) -> Result<LedgerId, PersistError> {
        let (epoch, id, begun) = (self.epoch, sale.id(), Instant::now());
        let written = match entries.iter().find_map(unreadable) {
            None => shop.archive.persist(epoch, id, after, entries).await,
            Some(rejection) => Err(PersistError::Rejected(rejection)),
        };
        match written {
            Ok(()) => {
                committed(entries, begun.elapsed());
                Ok(entries.last().map_or(after, |entry| entry.id))
            }
            Err(PersistError::Rejected(_) | PersistError::Duplicate) => {
                self.write_one_by_one(shop, sale, after, entries).await
            }
            Err(error) => Err(error),
        }
    }

    async fn write_one_by_one(
        &mut self,
        shop: &Shop,
        sale: &LiveSale,
        mut after: LedgerId,
        entries: &[LedgerEntry],
    ) -> Result<LedgerId, PersistError> {
        let (epoch, id) = (self.epoch, sale.id());
        for entry in entries {
            let (one, begun) = (std::slice::from_ref(entry), Instant::now());
            let written = match unreadable(entry) {
                None => shop.archive.persist(epoch, id, after, one).await,
                Some(rejection) => Err(PersistError::Rejected(rejection)),
            };
            match written {
                Ok(()) => committed(one, begun.elapsed()),
                // A repeated entry is a duplicate, whichever constraint it met first.
                Err(PersistError::Duplicate | PersistError::Rejected(_)) if is_archived(shop, id, entry).await? => {
                    let nothing = LedgerEntry { id: entry.id, event: LedgerEvent::Opened };
                    shop.archive.persist(epoch, id, after, &[nothing]).await?;
                }
                Err(error @ (PersistError::Duplicate | PersistError::Rejected(_))) => {
                    let rejection = error.rejection();
                    tracing::error!(sale = %id, entry = %entry.id, %rejection, "PostgreSQL rejected a ledger entry");
                    shop.archive.reject(epoch, id, after, entry, &rejection).await?;
                    sale.confirmations.advance(epoch, LedgerId::ZERO, [], [entry.id]);
                    self.released_all = self.is_draining;
                }
                Err(error) => return Err(error),
            }
            after = entry.id;
        }
        Ok(after)
    }

    /// Frees the units of rejected purchases, except for those that somebody owns according to the archive.
    async fn release_rejected(&mut self, shop: &Shop, sale: &LiveSale) -> Result<(), PersistError> {
        let id = sale.id();
        let rejected = shop.archive.rejections(id).await?;
        for rejected in rejected.iter().filter(|rejected| !rejected.released) {
            let entry = shop.store.read_one(id, rejected.id).await?;
            if let Some(LedgerEntry { event: LedgerEvent::Sold(purchase), .. }) = entry {
                let release = shop.archive.unowned(id, rejected.id, &purchase).await?;
                match shop.store.release(self.epoch, id, &release).await {
                    // A refused release has been made before.
                    Ok(_) | Err(DecideError::Refused(_)) => {}
                    Err(DecideError::Failed(error)) => return Err(error.into()),
                }
            }
            // Nothing else has units to free: a ledger without the entry was restored without its purchase.
            shop.archive.mark_released(id, rejected.id).await?;
        }
        self.released_all = true;
        Ok(())
    }

    async fn cursor(&mut self, shop: &Shop, sale: &LiveSale) -> Result<LedgerId, StoreError> {
        match self.cursor {
            Some(cursor) => Ok(cursor),
            // The previous writer may have rejected entries and died before announcing it.
            None => Ok(*self.cursor.insert(shop.catch_up(sale).await?.ledger)),
        }
    }
}

/// The span of a batch: its fields are on each log line about it.
fn batch_span(epoch: Epoch, sale: &LiveSale, entries: &[LedgerEntry]) -> tracing::Span {
    tracing::debug_span!(
        "batch",
        sale = %sale.id(),
        epoch = epoch.0,
        entries = entries.len(),
        first_ledger_id = entries.first().map(|entry| tracing::field::display(entry.id)),
        last_ledger_id = entries.last().map(|entry| tracing::field::display(entry.id)),
    )
}

/// Logs each entry as durable by its id, so that a search for the id finds its commit.
fn committed(entries: &[LedgerEntry], took: Duration) {
    let took_ms = took.as_micros() as f64 / 1e3;
    for entry in entries {
        tracing::debug!(ledger_id = %entry.id, took_ms, "committed");
    }
}

async fn announce(shop: &Shop, watermark: Option<Watermark>) {
    let Some(watermark) = watermark else { return };
    if let Err(error) = shop.store.announce(watermark).await {
        tracing::debug!(%error, "a watermark was not announced; other instances will ask for it");
    }
}

/// Cuts a batch off before the first release of a purchase that is in it. All other releases may be applied before all
/// purchases: what they free can only be needed by later entries.
fn applicable_together(mut entries: Vec<LedgerEntry>) -> Vec<LedgerEntry> {
    let Some(first) = entries.first().map(|entry| entry.id) else { return entries };
    let of_this_batch = |entry: &LedgerEntry| matches!(&entry.event, LedgerEvent::Released(release) if entry.is_release() && release.purchase >= first);
    let end = entries.iter().position(of_this_batch);
    entries.truncate(end.unwrap_or(entries.len()));
    entries
}

/// Returns true if the archive holds this very purchase or release under this id.
async fn is_archived(shop: &Shop, sale: SaleId, entry: &LedgerEntry) -> Result<bool, StoreError> {
    match &entry.event {
        LedgerEvent::Sold(_) if is_on(Sabotage::UnitAsDuplicate) => Ok(true),
        LedgerEvent::Sold(purchase) => {
            let archived = shop.archive.purchase_by_code(purchase.code).await?;
            Ok(archived.is_some_and(|archived| archived.id == entry.id && archived.purchase == *purchase))
        }
        LedgerEvent::Released(release) => {
            let release = Holdings { released: [(release.purchase, entry.id)].into(), ..Holdings::default() };
            Ok(shop.archive.held(sale, &release).await? == release)
        }
        LedgerEvent::Opened | LedgerEvent::Unreadable(_) => Ok(false),
    }
}

/// The rejection of an entry that cannot be read.
fn unreadable(entry: &LedgerEntry) -> Option<Rejection> {
    match &entry.event {
        LedgerEvent::Unreadable(_) => {
            Some(Rejection { reason: RejectionReason::Invalid, message: "unreadable".into() })
        }
        LedgerEvent::Opened | LedgerEvent::Sold(_) | LedgerEvent::Released(_) => None,
    }
}

impl Shop {
    /// Reads the progress of the archive with a sale: the safety net under the announcements of other instances.
    pub async fn catch_up(&self, sale: &LiveSale) -> Result<Cursors, StoreError> {
        let id = sale.id();
        // In this order: a rejected entry is filed before the cursor moves past it.
        let cursors = self.archive.cursors(id).await?;
        let rejections = self.archive.rejections(id).await?;
        let rejected = rejections.iter().map(|rejected| rejected.id);
        sale.confirmations.advance(cursors.epoch, cursors.ledger, [], rejected);
        Ok(cursors)
    }

    /// Applies a watermark that another instance announced.
    pub async fn apply_watermark(&self, watermark: Watermark) -> Result<(), StoreError> {
        let Some(sale) = self.sales.live(watermark.sale) else { return Ok(()) };
        if sale.confirmations.rejections() == watermark.rejections {
            sale.confirmations.advance(watermark.epoch, watermark.persisted, watermark.archived, []);
            return Ok(());
        }
        self.catch_up(&sale).await.map(|_cursors| ())
    }
}
