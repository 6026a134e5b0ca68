//! The life of a sale in the store, and its restoration.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use crate::application::sale::ports::{Lifecycle, Restorer, StoredSale};
use crate::application::shared::StoreError;
use crate::domain::sale::{LedgerEntry, LedgerEvent, Sale, Stock, Window};
use crate::domain::shared::{CheckoutCode, Epoch, LedgerId, SaleId};

use super::{MemoryStore, SaleState, StoreCall};

/// The id of the entry that opens a ledger: lower than every other.
const OPENED_ID: LedgerId = LedgerId::ZERO.next();

#[async_trait]
impl Lifecycle for MemoryStore {
    async fn now(&self) -> Result<DateTime<Utc>, StoreError> {
        self.run(StoreCall::Now, |state| Ok(state.now)).await
    }

    async fn open(&self, epoch: Epoch, stock: &Stock) -> Result<(), StoreError> {
        self.run(StoreCall::Open, |state| {
            if !state.scripts.contains(&epoch) {
                return Err(StoreError::Fenced);
            }
            if state.restoring.contains_key(&stock.sale.id) {
                return Err(StoreError::Fenced);
            }
            let history = state.history;
            let opened = || SaleState::opened(epoch, history, stock.clone());
            let sale = state.sales.entry(stock.sale.id).or_insert_with(opened);
            if sale.epoch == Some(epoch) { Ok(()) } else { Err(StoreError::Fenced) }
        })
        .await
    }

    async fn end(&self, epoch: Epoch, sale: SaleId, ends_at: DateTime<Utc>) -> Result<(), StoreError> {
        self.run(StoreCall::End, |state| {
            let window = &mut state.in_epoch(epoch, sale)?.stock.sale.window;
            *window = Window { ends_at: window.ends_at.min(ends_at), ..*window };
            Ok(())
        })
        .await
    }

    async fn seal(&self, epoch: Epoch, sale: SaleId) -> Result<(), StoreError> {
        self.run(StoreCall::Seal, |state| {
            state.in_epoch(epoch, sale)?.stock.sale.closed = true;
            Ok(())
        })
        .await
    }

    async fn forget_idle_carts(&self, epoch: Epoch, sale: &Sale, idle: Duration, crowd: u32) -> Result<(), StoreError> {
        self.run(StoreCall::ForgetIdleCarts, |state| {
            let (now, held) = (state.now, state.in_epoch(epoch, sale.id)?);
            let since = held.carts_since.unwrap_or(held.stock.sale.window.starts_at);
            let is_due = now - since >= TimeDelta::from_std(idle).unwrap_or(TimeDelta::MAX);
            if is_due || held.stock.recent_carts() >= crowd as usize {
                held.stock.forget_idle_carts();
                held.carts_since = Some(now);
            }
            Ok(())
        })
        .await
    }

    async fn retire(&self, sale: SaleId, expires_at: DateTime<Utc>) -> Result<(), StoreError> {
        self.run(StoreCall::Retire, |state| {
            if let Some(sale) = state.sales.get_mut(&sale) {
                sale.expires_at = Some(expires_at);
                sale.stock.carts.clear();
                sale.stock.codes.clear();
            }
            Ok(())
        })
        .await
    }

    async fn drop_retired(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.run(StoreCall::DropRetired, |state| {
            state.sales.retain(|_, sale| sale.expires_at.is_none_or(|expires_at| now < expires_at));
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl Restorer for MemoryStore {
    async fn stored(&self, epoch: Epoch, sale: SaleId, archived: LedgerId) -> Result<StoredSale, StoreError> {
        self.run(StoreCall::Stored, |state| {
            let sale = state.sales.get(&sale);
            let held = sale.and_then(|sale| sale.epoch);
            let is_loaded = held != Some(epoch) || state.scripts.contains(&epoch);
            let is_same_history = sale.is_some_and(|sale| sale.history == state.history);
            Ok(StoredSale {
                epoch: held,
                is_remembered: is_same_history && is_loaded && state.witnesses.contains(&held.unwrap_or(epoch)),
                has_archived: sale.is_some_and(|sale| sale.last_entry() >= archived),
            })
        })
        .await
    }

    async fn history(&self) -> Result<String, StoreError> {
        self.run(StoreCall::History, |state| Ok(state.history.to_string())).await
    }

    async fn fence(&self, epoch: Epoch, sale: SaleId) -> Result<(), StoreError> {
        self.run(StoreCall::Fence, |state| {
            let held = state.sales.get(&sale).and_then(|sale| sale.epoch);
            if held.max(state.restoring.get(&sale).copied()) > Some(epoch) {
                return Err(StoreError::Fenced);
            }
            state.restoring.insert(sale, epoch);
            if let Some(sale) = state.sales.get_mut(&sale) {
                sale.epoch = None;
            }
            Ok(())
        })
        .await
    }

    async fn restore(
        &self,
        epoch: Epoch,
        stock: &Stock,
        persisted: LedgerId,
        attempts: LedgerId,
    ) -> Result<(), StoreError> {
        self.run(StoreCall::Restore, |state| {
            if state.restoring.get(&stock.sale.id) != Some(&epoch) {
                return Err(StoreError::Fenced);
            }
            state.restoring.remove(&stock.sale.id);
            let history = state.history;
            let mut restored = SaleState::opened(epoch, history, stock.clone());
            if let Some(held) = state.sales.remove(&stock.sale.id) {
                let is_bought = |code: &CheckoutCode| stock.holdings.receipts.contains_key(code);
                restored.stock.carts = held.stock.carts;
                restored.stock.carts.retain(|code, _| !is_bought(code));
                restored.stock.idle = held.stock.idle;
                restored.carts_since = held.carts_since;
                restored.stock.codes = held.stock.codes;
                restored.stock.codes.retain(|_, code| !is_bought(code));
                restored.attempts = held.attempts;
                restored.last_attempt = held.last_attempt;
            }
            restored.last_attempt = restored.last_attempt.max(attempts);
            restored.ledger.extend(stock.entries());
            if persisted > restored.last_entry() {
                restored.ledger.push(LedgerEntry { id: persisted, event: LedgerEvent::Opened });
            }
            state.sales.insert(stock.sale.id, restored);
            self.shared.entries.notify_waiters();
            Ok(())
        })
        .await
    }

    async fn join(&self, epoch: Epoch) -> Result<(), StoreError> {
        self.run(StoreCall::Join, |state| {
            if state.witnesses.contains(&epoch) {
                state.scripts.insert(epoch);
            }
            Ok(())
        })
        .await
    }

    async fn load_scripts(&self, epoch: Epoch) -> Result<(), StoreError> {
        self.run(StoreCall::LoadScripts, |state| {
            state.scripts.insert(epoch);
            state.witnesses.insert(epoch);
            Ok(())
        })
        .await
    }
}

impl SaleState {
    fn opened(epoch: Epoch, history: u64, stock: Stock) -> Self {
        SaleState {
            epoch: Some(epoch),
            history,
            stock,
            ledger: vec![LedgerEntry { id: OPENED_ID, event: LedgerEvent::Opened }],
            attempts: Vec::new(),
            last_attempt: LedgerId::ZERO,
            expires_at: None,
            carts_since: None,
        }
    }
}
