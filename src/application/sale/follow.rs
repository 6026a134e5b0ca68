//! The follower: keeps this instance's view of a sale up to date with its ledger.

use std::time::{Duration, Instant};

use crate::application::shared::StoreError;
use crate::domain::sale::LedgerEvent;
use crate::domain::shared::Epoch;
use crate::domain::shared::limits::LEDGER_BATCH;

use super::live_sale::LiveSale;
use super::ports::LedgerReader;
use super::projection::Projection;

/// Interval between rebuilds of the sold-item filter while items sell. The filter may lag, since Redis decides; a
/// released unit rebuilds it at once.
const FILTER_EVERY: Duration = Duration::from_millis(50);

/// Pause after a rebuild of the filter, in multiples of its duration: large filters are rebuilt less often.
const FILTER_SHARE: u32 = 25;

/// Longest wait for an entry.
const READ_TIMEOUT: Duration = Duration::from_secs(1);

/// Pause after entries have arrived, so that a rush is read in batches. Purchases on this instance do not wait for it.
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
    /// Waits for new entries and applies them.
    ///
    /// In a new epoch the ledger may have lost entries, so the view is first rebuilt from its beginning.
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
        let timeout = if filter_is_old { FILTER_EVERY } else { READ_TIMEOUT };
        let mut entries = sale.tail.following(epoch, after, LEDGER_BATCH);
        if entries.is_empty() {
            entries = reader.next(after, LEDGER_BATCH, timeout).await?;
            if !entries.is_empty() {
                sale.note(epoch, entries.clone());
            }
        }
        sale.apply(&entries);
        sale.tail.forget(sale.projection().as_of().min(sale.confirmations.persisted()));
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
            if entries.is_empty() {
                break;
            }
        }
        sale.replace(projection);
        sale.arrived.notify_one();
        Ok(())
    }
}
