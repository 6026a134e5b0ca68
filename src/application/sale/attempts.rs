//! The writer of checkout attempts: copies accepted checkouts to the archive and trims them in Redis.

use std::sync::atomic::Ordering;

use crate::application::shared::StoreError;
use crate::domain::shared::LedgerId;
use crate::domain::shared::limits::ATTEMPTS_BATCH;

use super::live_sale::LiveSale;
use super::persist::Progress;
use super::ports::PersistError;
use super::shop::Shop;

/// The position of the writer in one sale.
#[derive(Debug, Default)]
pub struct AttemptsWriter {
    /// The last archived attempt, once it is known.
    cursor: Option<LedgerId>,
}

impl Shop {
    /// Counts the unarchived attempts of a sale.
    pub async fn count_attempts(&self, sale: &LiveSale) -> Result<(), StoreError> {
        let pending = self.store.count_attempts(sale.id()).await?;
        sale.attempts_pending.store(pending, Ordering::Relaxed);
        Ok(())
    }
}

impl AttemptsWriter {
    /// Archives one batch. Attempts are trimmed only up to what is committed.
    pub async fn step(&mut self, shop: &Shop, sale: &LiveSale) -> Result<Progress, PersistError> {
        let id = sale.id();
        let after = match self.cursor {
            Some(cursor) => cursor,
            None => shop.archive.cursors(id).await?.attempts,
        };
        let attempts = shop.store.read_attempts(id, after, ATTEMPTS_BATCH).await?;
        let Some(last) = attempts.last else { return Ok(Progress::Idle) };
        if attempts.readable.len() < attempts.count {
            tracing::error!(sale = %id, count = attempts.count - attempts.readable.len(), "some attempts cannot be read and are skipped");
        }
        // After a failure the position is read again.
        self.cursor = None;
        shop.archive.persist_attempts(id, after, last, &attempts.readable).await?;
        self.cursor = Some(last);
        shop.store.trim_attempts(id, last).await?;
        Ok(if attempts.more { Progress::More } else { Progress::Idle })
    }
}
