//! Reading the state page by page.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::application::sale::ports::{HoldingKind, Inspector, ScanPage, ScanPosition};
use crate::application::shared::StoreError;
use crate::domain::sale::{Holdings, Sale};
use crate::domain::shared::SaleId;

use super::{MemoryStore, StoreCall};

/// Entries of one page of a scan: few, so that a sale of a test has several.
const PAGE: usize = 3;

#[async_trait]
impl Inspector for MemoryStore {
    async fn has_state(&self, sale: SaleId) -> Result<bool, StoreError> {
        self.run(StoreCall::HasState, |state| Ok(state.sales.get(&sale).is_some_and(|sale| sale.epoch.is_some()))).await
    }

    async fn decides_as(&self, sale: &Sale) -> Result<bool, StoreError> {
        let of = |sale: &Sale| (sale.window, sale.user_limit);
        self.run(StoreCall::DecidesAs, |state| {
            Ok(state.sales.get(&sale.id).is_some_and(|held| of(&held.stock.sale) == of(sale)))
        })
        .await
    }

    async fn held(&self, sale: SaleId, of: &Holdings) -> Result<Holdings, StoreError> {
        self.run(StoreCall::Held, |state| {
            Ok(state.sales.get(&sale).map_or_else(Holdings::default, |sale| sale.stock.holdings.among(of)))
        })
        .await
    }

    async fn scan(&self, sale: SaleId, from: ScanPosition) -> Result<ScanPage, StoreError> {
        self.run(StoreCall::Scan, |state| {
            let Some(sale) = state.sales.get(&sale) else { return Ok(ScanPage::default()) };
            let (held, skip) = (&sale.stock.holdings, from.cursor as usize);
            let mut holdings = Holdings::default();
            match from.kind {
                HoldingKind::Units => holdings.units = page(&held.units, skip),
                HoldingKind::Slots => holdings.slots = page(&held.slots, skip),
                HoldingKind::Receipts => {
                    holdings.receipts = page(&held.receipts, skip);
                    holdings.requests = page(&held.requests, skip);
                }
                HoldingKind::Released => holdings.released = page(&held.released, skip),
            }
            let is_last = holdings == Holdings::default();
            let next = if is_last {
                from.next_kind()
            } else {
                Some(ScanPosition { cursor: from.cursor + PAGE as u64, ..from })
            };
            Ok(ScanPage { holdings, unreadable: 0, next })
        })
        .await
    }
}

fn page<K: Ord + Clone, V: Clone>(all: &BTreeMap<K, V>, skip: usize) -> BTreeMap<K, V> {
    all.iter().skip(skip).take(PAGE).map(|(key, value)| (key.clone(), value.clone())).collect()
}
