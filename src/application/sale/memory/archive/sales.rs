//! Sales and their items.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::application::sale::ports::{SaleArchive, SaleFilter, SalePage};
use crate::application::shared::StoreError;
use crate::domain::sale::{Catalog, Sale, Window};
use crate::domain::shared::{Epoch, LedgerId, SaleId, SaleKind};

use super::{ArchiveCall, ArchivedSale, MemoryArchive, State};

#[async_trait]
impl SaleArchive for MemoryArchive {
    async fn create_sale(&self, sale: &Sale, catalog: &Catalog) -> Result<bool, StoreError> {
        self.run(ArchiveCall::CreateSale, |state| {
            if state.sales.contains_key(&sale.id) || state.overlaps(sale) {
                return Ok(false);
            }
            let (sale, catalog) = (sale.clone(), catalog.clone());
            state.sales.insert(sale.id, ArchivedSale::new(sale, catalog, state.epoch));
            Ok(true)
        })
        .await
    }

    async fn sales(&self, filter: SaleFilter) -> Result<Vec<Sale>, StoreError> {
        self.run(ArchiveCall::Sales, |state| {
            let mut sales: Vec<Sale> = state.sales.values().map(|archived| archived.sale.clone()).collect();
            sales.sort_by_key(|sale| Reverse(place(sale.id)));
            match filter {
                SaleFilter::Live => sales.retain(|sale| !sale.closed),
                SaleFilter::Page(SalePage { status, after, limit }) => {
                    sales.retain(|sale| after.is_none_or(|after| place(sale.id) < place(after)));
                    sales.retain(|sale| status.is_none_or(|(status, now)| sale.window.status(now) == status));
                    sales.truncate(limit);
                }
            }
            Ok(sales)
        })
        .await
    }

    async fn sale(&self, id: SaleId) -> Result<Option<Sale>, StoreError> {
        self.run(ArchiveCall::Sale, |state| Ok(state.sales.get(&id).map(|archived| archived.sale.clone()))).await
    }

    async fn catalog(&self, sale: SaleId) -> Result<Catalog, StoreError> {
        self.run(ArchiveCall::Catalog, |state| Ok(state.existing(sale)?.catalog.clone())).await
    }

    async fn end_sale(&self, id: SaleId, now: DateTime<Utc>) -> Result<Option<Sale>, StoreError> {
        self.run(ArchiveCall::EndSale, |state| {
            let Some(archived) = state.sales.get_mut(&id) else { return Ok(None) };
            let Window { starts_at, ends_at } = archived.sale.window;
            archived.sale.window = Window { starts_at, ends_at: ends_at.min(now.max(starts_at)) };
            Ok(Some(archived.sale.clone()))
        })
        .await
    }

    async fn is_settled(&self, _id: SaleId) -> Result<bool, StoreError> {
        // Orders are not kept in memory.
        self.run(ArchiveCall::IsSettled, |_| Ok(true)).await
    }

    async fn close_sale(&self, id: SaleId) -> Result<(), StoreError> {
        self.run(ArchiveCall::CloseSale, |state| {
            if let Some(archived) = state.sales.get_mut(&id) {
                archived.sale.closed = true;
            }
            Ok(())
        })
        .await
    }
}

/// The order of lists of sales.
fn place(sale: SaleId) -> (DateTime<Utc>, String) {
    (sale.starts_at(), sale.to_string())
}

impl State {
    /// Returns true if another hourly sale sells at the same time.
    fn overlaps(&self, sale: &Sale) -> bool {
        let is_hourly = |sale: &Sale| sale.id.kind() == SaleKind::Hourly && !sale.window.is_empty();
        let meets =
            |other: &Sale| other.window.starts_at < sale.window.ends_at && sale.window.starts_at < other.window.ends_at;
        is_hourly(sale) && self.sales.values().any(|other| is_hourly(&other.sale) && meets(&other.sale))
    }
}

impl ArchivedSale {
    fn new(sale: Sale, catalog: Catalog, epoch: Epoch) -> Self {
        ArchivedSale {
            sale,
            catalog,
            epoch,
            is_restoring: false,
            ledger: LedgerId::ZERO,
            attempts_cursor: LedgerId::ZERO,
            purchases: BTreeMap::new(),
            units: BTreeMap::new(),
            slots: BTreeSet::new(),
            releases: BTreeMap::new(),
            notes: BTreeMap::new(),
            rejected: Vec::new(),
            attempts: Vec::new(),
        }
    }
}
