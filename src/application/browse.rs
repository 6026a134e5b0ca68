//! Looking at sales, items and purchases. What is live is answered from memory.

use std::sync::Arc;

use crate::domain::{ItemId, ItemRef, Ordinal, Receipt, Sale, SaleId, SaleStatus, UserId};

use super::live_sale::LiveSale;
use super::ports::{SaleFilter, StoreError};
use super::shop::Shop;

/// One page of the items of a sale.
#[derive(Debug, Clone)]
pub struct Page {
    /// Each item with how many units of it are left.
    pub items: Vec<(Ordinal, u32)>,
    /// How many items there are on all pages.
    pub total: usize,
}

impl Shop {
    /// The hourly sale that is on.
    pub fn current_sale(&self) -> Option<Arc<LiveSale>> {
        self.sales.current(self.clock.now())
    }

    /// Sales in this state, or all, the newest 1,000, latest start first.
    pub async fn list_sales(&self, status: Option<SaleStatus>) -> Result<Vec<Sale>, StoreError> {
        let filter = match status {
            Some(status) => SaleFilter::WithStatus(status, self.clock.now()),
            None => SaleFilter::All,
        };
        self.archive.sales(filter).await
    }

    /// The item and its sale.
    pub async fn item(&self, item: ItemRef) -> Result<Option<(Arc<LiveSale>, ItemId)>, StoreError> {
        let (sale, ordinal) = match item {
            ItemRef::Id(id) => (self.find_sale(id.sale).await?, id.ordinal),
            ItemRef::InCurrentSale(ordinal) => (self.current_sale(), ordinal),
        };
        let known = sale.filter(|sale| sale.catalog.item(ordinal).is_some());
        Ok(known.map(|sale| (sale.clone(), ItemId { sale: sale.sale().id, ordinal })))
    }

    /// The receipts of a user, newest first.
    pub async fn receipts_of(&self, user: &UserId, sale: Option<SaleId>) -> Result<Vec<Receipt>, StoreError> {
        self.archive.receipts_of(user, sale).await
    }
}

impl LiveSale {
    /// The `page`-th page, from 1, of all items or of those that are (`true`) or are not left.
    pub fn page(&self, page: usize, per_page: usize, available: Option<bool>) -> Page {
        let projection = self.projection();
        let left = self.catalog.iter().map(|(ordinal, _)| (ordinal, projection.of(ordinal)));
        let wanted: Vec<_> = left.filter(|(_, left)| available.is_none_or(|wanted| wanted == (*left > 0))).collect();
        let items = wanted.iter().skip((page - 1).saturating_mul(per_page)).take(per_page).copied().collect();
        Page { items, total: wanted.len() }
    }
}
