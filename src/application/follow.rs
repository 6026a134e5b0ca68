//! Keeping this instance's view of a sale up to date with its ledger.

use std::time::{Duration, Instant};

use crate::domain::LedgerEvent;
use crate::domain::limits::LEDGER_BATCH;

use super::fence::Epoch;
use super::live_sale::{LiveSale, Projection};
use super::ports::{LedgerReader, StoreError};

/// How often the sold-item filter is made anew while items are being sold. It may lag, for Redis decides; but what
/// is free again is so at once.
const FILTER_EVERY: Duration = Duration::from_millis(50);

/// A large sale's filter takes longer to make, and is made less often: never more than this part of the time.
const FILTER_SHARE: u32 = 25;

/// How long to wait for an entry before looking whether something else has changed.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long entries are left to gather after some have come, so that a rush is read in batches and not one by one.
/// Whoever buys on this instance does not wait for it.
const GATHER: Duration = Duration::from_millis(2);

/// Follows the ledger of one sale through the epochs.
#[derive(Debug)]
pub struct Follower {
    epoch: Option<Epoch>,
    filter_due: Instant,
}

impl Default for Follower {
    fn default() -> Self {
        Follower { epoch: None, filter_due: Instant::now() }
    }
}

impl Follower {
    /// Waits a moment for new entries and takes them over.
    ///
    /// In a new epoch the ledger may have lost what it said before, so the view is first made anew, from
    /// its beginning.
    pub async fn step(
        &mut self,
        epoch: Epoch,
        sale: &LiveSale,
        reader: &mut dyn LedgerReader,
    ) -> Result<(), StoreError> {
        if self.epoch != Some(epoch) {
            self.start_over(sale, reader).await?;
            self.epoch = Some(epoch);
        }
        let after = sale.projection().as_of();
        let filter_is_old = sale.filter().as_of() != after;
        let patience = if filter_is_old { FILTER_EVERY } else { PATIENCE };
        let entries = reader.next(after, LEDGER_BATCH, patience).await?;
        if !entries.is_empty() {
            sale.apply(&entries);
            sale.confirmations.note(entries.iter().map(|entry| entry.id));
            sale.arrived.notify_one();
        }
        let is_released = entries.iter().any(|entry| matches!(entry.event, LedgerEvent::Released(_)));
        let now = Instant::now();
        if (is_released || now >= self.filter_due) && sale.refresh_filter() {
            self.filter_due = now + FILTER_EVERY.max(now.elapsed() * FILTER_SHARE);
        }
        if !entries.is_empty() {
            tokio::time::sleep(GATHER).await;
        }
        Ok(())
    }

    async fn start_over(&self, sale: &LiveSale, reader: &mut dyn LedgerReader) -> Result<(), StoreError> {
        let mut projection = Projection::new(&sale.catalog);
        sale.confirmations.forget_ledger();
        loop {
            let entries = reader.next(projection.as_of(), LEDGER_BATCH, Duration::from_millis(1)).await?;
            entries.iter().for_each(|entry| projection.apply(entry));
            sale.confirmations.note(entries.iter().map(|entry| entry.id));
            if entries.len() < LEDGER_BATCH {
                break;
            }
        }
        sale.replace(projection);
        sale.refresh_filter();
        sale.arrived.notify_one();
        Ok(())
    }
}
