//! The ledger writer: copies the ledger of a sale to the archive, in batches, each entry exactly once.

use std::time::{Duration, Instant};

use tracing::Instrument;

use crate::domain::limits::LEDGER_BATCH;
use crate::domain::{LedgerEntry, LedgerEvent, LedgerId};

use super::fence::Epoch;
use super::live_sale::LiveSale;
use super::ports::{Cursors, PersistError, Refused, Rejection, StoreError, Watermark};
use super::shop::Shop;

/// Whether there is more to do at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    Idle,
    More,
}

/// Where the writer of one sale is, in one epoch. All of it can be read again, so that any instance can go
/// on at any time.
#[derive(Debug)]
pub struct LedgerWriter {
    epoch: Epoch,
    /// The last entry that is archived, once it is known.
    cursor: Option<LedgerId>,
    /// What other instances have not been told yet.
    unannounced: Option<Watermark>,
    released_all: bool,
    /// The sale is being restored, which frees what is to be released, and releases are fenced off.
    is_draining: bool,
}

impl LedgerWriter {
    /// A writer that has not looked yet how far the archive is.
    pub fn new(epoch: Epoch) -> Self {
        LedgerWriter { epoch, cursor: None, unannounced: None, released_all: false, is_draining: false }
    }

    /// A writer for a sale that is about to be restored: it releases nothing.
    pub fn draining(epoch: Epoch) -> Self {
        LedgerWriter { released_all: true, is_draining: true, ..LedgerWriter::new(epoch) }
    }

    /// The epoch that it writes in.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Archives what the ledger has after the cursor, one batch of it, and tells who waits for it.
    ///
    /// While a batch commits, the next accumulates. A batch that the archive refuses is written entry by
    /// entry, so that only those are affected that are refused for themselves. Two writers at once do no
    /// harm: the cursor moves on only from where it was read.
    pub async fn step(&mut self, shop: &Shop, sale: &LiveSale) -> Result<Progress, PersistError> {
        let after = self.cursor(shop, sale).await?;
        let reading = shop.ledger.read(sale.sale().id, after, LEDGER_BATCH);
        // Other instances are told while the next batch is read.
        let (entries, ()) = tokio::join!(reading, announce(shop, self.unannounced.take()));
        let entries = entries?;
        if !entries.is_empty() {
            // Should anything go wrong from here on, the archive is asked again.
            self.cursor = None;
            let batch = batch_span(self.epoch, sale, &entries);
            let archived = self.write(shop, sale, after, &entries).instrument(batch).await?;
            self.cursor = Some(archived);
            sale.confirmations.advance(self.epoch, archived, []);
            let rejections = sale.confirmations.rejections();
            let (sale, epoch) = (sale.sale().id, self.epoch);
            self.unannounced = Some(Watermark { sale, epoch, persisted: archived, rejections });
        }
        if !self.released_all {
            self.release_rejected(shop, sale).await?;
        }
        Ok(if entries.is_empty() { Progress::Idle } else { Progress::More })
    }

    /// Writes the batch as a whole, or if need be one by one. Returns how far the archive is then.
    async fn write(
        &mut self,
        shop: &Shop,
        sale: &LiveSale,
        after: LedgerId,
        entries: &[LedgerEntry],
    ) -> Result<LedgerId, PersistError> {
        let (epoch, id, begun) = (self.epoch, sale.sale().id, Instant::now());
        let written = match entries.iter().find_map(unreadable) {
            None => shop.archive.persist(epoch, &sale.catalog, id, after, entries).await,
            Some(refused) => Err(PersistError::Rejected(refused)),
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
        let (epoch, id) = (self.epoch, sale.sale().id);
        for entry in entries {
            let (one, begun) = (std::slice::from_ref(entry), Instant::now());
            let written = match unreadable(entry) {
                None => shop.archive.persist(epoch, &sale.catalog, id, after, one).await,
                Some(refused) => Err(PersistError::Rejected(refused)),
            };
            match written {
                Ok(()) => committed(one, begun.elapsed()),
                // A repeated purchase is a duplicate, whichever guard it met first.
                Err(PersistError::Duplicate | PersistError::Rejected(_)) if is_archived(shop, entry).await? => {
                    let nothing = LedgerEntry { id: entry.id, event: LedgerEvent::Opened };
                    shop.archive.persist(epoch, &sale.catalog, id, after, &[nothing]).await?;
                }
                Err(error @ (PersistError::Duplicate | PersistError::Rejected(_))) => {
                    let refused = error.refused();
                    tracing::error!(sale = %id, entry = %entry.id, %refused, "PostgreSQL refused a ledger entry");
                    shop.archive.reject(epoch, id, after, entry, &refused).await?;
                    sale.confirmations.advance(epoch, LedgerId::ZERO, [(entry.id, refused.rejection)]);
                    self.released_all = self.is_draining;
                }
                Err(error) => return Err(error),
            }
            after = entry.id;
        }
        Ok(after)
    }

    /// Makes the units of refused purchases free again, but for those that the archive knows as somebody's.
    async fn release_rejected(&mut self, shop: &Shop, sale: &LiveSale) -> Result<(), PersistError> {
        let id = sale.sale().id;
        let letters = shop.archive.rejections(id).await?;
        for letter in letters.iter().filter(|letter| !letter.released) {
            let entry = shop.ledger.read_one(id, letter.id).await?;
            if let Some(LedgerEntry { event: LedgerEvent::Sold(sold), .. }) = entry {
                let released = shop.archive.unowned(id, letter.id, &sold).await?;
                shop.stock.release(id, &released).await?;
            }
            shop.archive.mark_released(id, letter.id).await?;
        }
        self.released_all = true;
        Ok(())
    }

    async fn cursor(&mut self, shop: &Shop, sale: &LiveSale) -> Result<LedgerId, StoreError> {
        match self.cursor {
            Some(cursor) => Ok(cursor),
            // Whoever wrote before may have rejected entries and died before telling.
            None => Ok(*self.cursor.insert(shop.catch_up(sale).await?.ledger)),
        }
    }
}

/// What is said of a batch on each line about it.
fn batch_span(epoch: Epoch, sale: &LiveSale, entries: &[LedgerEntry]) -> tracing::Span {
    tracing::debug_span!(
        "batch",
        sale = %sale.sale().id,
        epoch = epoch.0,
        entries = entries.len(),
        first_ledger_id = entries.first().map(|entry| tracing::field::display(entry.id)),
        last_ledger_id = entries.last().map(|entry| tracing::field::display(entry.id)),
    )
}

/// Says of each entry, by its id, that it is durable: so a search for the id finds its commit.
fn committed(entries: &[LedgerEntry], took: Duration) {
    let took_ms = took.as_micros() as f64 / 1e3;
    for entry in entries {
        tracing::debug!(ledger_id = %entry.id, took_ms, "committed");
    }
}

async fn announce(shop: &Shop, watermark: Option<Watermark>) {
    let Some(watermark) = watermark else { return };
    if let Err(error) = shop.ledger.announce(watermark).await {
        tracing::debug!(%error, "a watermark was not announced; other instances will ask for it");
    }
}

/// Whether it is this very purchase that the archive has under this id.
async fn is_archived(shop: &Shop, entry: &LedgerEntry) -> Result<bool, StoreError> {
    let LedgerEvent::Sold(sold) = &entry.event else { return Ok(false) };
    let archived = shop.archive.sold_by_code(sold.code).await?;
    Ok(archived.is_some_and(|archived| archived.id == entry.id && archived.sold == *sold))
}

fn unreadable(entry: &LedgerEntry) -> Option<Refused> {
    match &entry.event {
        LedgerEvent::Unreadable(_) => Some(Refused { rejection: Rejection::Invalid, reason: "unreadable".into() }),
        LedgerEvent::Opened | LedgerEvent::Sold(_) | LedgerEvent::Released(_) => None,
    }
}

impl Shop {
    /// Asks the archive how far it is, for a sale whose purchases have waited for long: the safety net under
    /// the announcements of other instances.
    pub async fn catch_up(&self, sale: &LiveSale) -> Result<Cursors, StoreError> {
        let id = sale.sale().id;
        // In this order: an entry is filed as refused by the time the cursor has moved past it.
        let cursors = self.archive.cursors(id).await?;
        let rejections = self.archive.rejections(id).await?;
        let rejected = rejections.iter().map(|letter| (letter.id, letter.rejection));
        sale.confirmations.advance(cursors.epoch, cursors.ledger, rejected);
        Ok(cursors)
    }

    /// Takes over what another instance announced.
    pub async fn hear(&self, news: Watermark) -> Result<(), StoreError> {
        let Some(sale) = self.sales.live(news.sale) else { return Ok(()) };
        if sale.confirmations.rejections() == news.rejections {
            sale.confirmations.advance(news.epoch, news.persisted, []);
            return Ok(());
        }
        self.catch_up(&sale).await.map(|_cursors| ())
    }
}
