//! The ledgers, the attempts and the announcements.

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::broadcast;
use tokio::time::{Instant, timeout_at};

use crate::application::sale::ports::{
    AttemptLog, Attempts, Ledger, LedgerReader, Watermark, WatermarkSubscription, Watermarks,
};
use crate::application::shared::StoreError;
use crate::domain::sale::LedgerEntry;
use crate::domain::shared::{LedgerId, SaleId};

use super::{MemoryStore, StoreCall};

#[async_trait]
impl Ledger for MemoryStore {
    async fn read(&self, sale: SaleId, after: LedgerId, max: usize) -> Result<Vec<LedgerEntry>, StoreError> {
        self.run(StoreCall::Read, |state| {
            let ledger = state.sales.get(&sale).into_iter().flat_map(|sale| &sale.ledger);
            Ok(ledger.filter(|entry| entry.id > after).take(max).cloned().collect())
        })
        .await
    }

    async fn read_one(&self, sale: SaleId, id: LedgerId) -> Result<Option<LedgerEntry>, StoreError> {
        self.run(StoreCall::ReadOne, |state| {
            Ok(state.sales.get(&sale).and_then(|sale| sale.ledger.iter().find(|entry| entry.id == id).cloned()))
        })
        .await
    }

    async fn follow(&self, sale: SaleId) -> Result<Box<dyn LedgerReader>, StoreError> {
        let store = self.clone();
        self.run(StoreCall::Follow, |_| Ok(Box::new(Reader { store, sale }) as Box<dyn LedgerReader>)).await
    }
}

struct Reader {
    store: MemoryStore,
    sale: SaleId,
}

#[async_trait]
impl LedgerReader for Reader {
    async fn next(&mut self, after: LedgerId, max: usize, timeout: Duration) -> Result<Vec<LedgerEntry>, StoreError> {
        let deadline = Instant::now() + timeout;
        loop {
            // Created before the read, so that no entry is missed between the two.
            let arrived = self.store.shared.entries.notified();
            let entries = self.store.read(self.sale, after, max).await?;
            if !entries.is_empty() || timeout_at(deadline, arrived).await.is_err() {
                return Ok(entries);
            }
        }
    }
}

#[async_trait]
impl AttemptLog for MemoryStore {
    async fn read_attempts(&self, sale: SaleId, after: LedgerId, max: usize) -> Result<Attempts, StoreError> {
        self.run(StoreCall::ReadAttempts, |state| {
            let attempts = state.sales.get(&sale).into_iter().flat_map(|sale| &sale.attempts);
            let found: Vec<_> = attempts.filter(|(id, _)| *id > after).take(max).collect();
            let readable = found.iter().filter_map(|(_, attempt)| attempt.clone()).collect();
            Ok(Attempts {
                readable,
                last: found.last().map(|(id, _)| *id),
                count: found.len(),
                more: found.len() == max,
            })
        })
        .await
    }

    async fn count_attempts(&self, sale: SaleId) -> Result<usize, StoreError> {
        self.run(StoreCall::CountAttempts, |state| Ok(state.sales.get(&sale).map_or(0, |sale| sale.attempts.len())))
            .await
    }

    async fn trim_attempts(&self, sale: SaleId, archived: LedgerId) -> Result<(), StoreError> {
        self.run(StoreCall::TrimAttempts, |state| {
            if let Some(sale) = state.sales.get_mut(&sale) {
                sale.attempts.retain(|(id, _)| *id > archived);
            }
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl Watermarks for MemoryStore {
    async fn announce(&self, watermark: Watermark) -> Result<(), StoreError> {
        self.run(StoreCall::Announce, |_| {
            // An announcement without a subscriber is an error of the channel, and none here.
            let _subscribers = self.shared.watermarks.send(watermark);
            Ok(())
        })
        .await
    }

    async fn subscribe(&self) -> Result<Box<dyn WatermarkSubscription>, StoreError> {
        self.run(StoreCall::Subscribe, |_| {
            let receiver = self.shared.watermarks.subscribe();
            Ok(Box::new(Subscription { receiver }) as Box<dyn WatermarkSubscription>)
        })
        .await
    }
}

struct Subscription {
    receiver: broadcast::Receiver<Watermark>,
}

#[async_trait]
impl WatermarkSubscription for Subscription {
    async fn next(&mut self) -> Result<Watermark, StoreError> {
        self.receiver.recv().await.map_err(|error| StoreError::Unreachable(Box::new(error)))
    }
}
