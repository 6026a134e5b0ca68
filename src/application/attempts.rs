//! The writer of checkout attempts: copies those that changed a cart to the archive, and lets Redis forget them.

use std::sync::atomic::Ordering;

use crate::domain::LedgerId;
use crate::domain::limits::ATTEMPTS_BATCH;

use super::live_sale::LiveSale;
use super::persist::Progress;
use super::ports::{PersistError, StoreError};
use super::shop::Shop;

/// Where the writer of one sale is.
#[derive(Debug, Default)]
pub struct AttemptsWriter {
    /// The last attempt that is archived, once it is known.
    cursor: Option<LedgerId>,
}

impl Shop {
    /// Counts the attempts of a sale that are not archived yet.
    pub async fn count_attempts(&self, sale: &LiveSale) -> Result<(), StoreError> {
        let pending = self.ledger.count_attempts(sale.sale().id).await?;
        sale.attempts_pending.store(pending, Ordering::Relaxed);
        Ok(())
    }
}

impl AttemptsWriter {
    /// Archives one batch. Attempts are trimmed only up to what is committed.
    pub async fn step(&mut self, shop: &Shop, sale: &LiveSale) -> Result<Progress, PersistError> {
        let id = sale.sale().id;
        let after = match self.cursor {
            Some(cursor) => cursor,
            None => shop.archive.cursors(id).await?.attempts,
        };
        let attempts = shop.ledger.read_attempts(id, after, ATTEMPTS_BATCH).await?;
        let Some(last) = attempts.last else { return Ok(Progress::Idle) };
        if attempts.readable.len() < attempts.count {
            tracing::error!(sale = %id, count = attempts.count - attempts.readable.len(), "attempts cannot be read");
        }
        // Should anything go wrong from here on, the archive is asked again.
        self.cursor = None;
        shop.archive.persist_attempts(id, after, last, &attempts.readable).await?;
        self.cursor = Some(last);
        shop.ledger.trim_attempts(id, last).await?;
        Ok(if attempts.count < ATTEMPTS_BATCH { Progress::Idle } else { Progress::More })
    }
}
