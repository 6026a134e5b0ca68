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
        let (all, sold_out) = (self.catalog.items() as usize, projection.sold_out() as usize);
        let total = match available {
            None => all,
            Some(true) => all - sold_out,
            Some(false) => sold_out,
        };
        let before = (page - 1).saturating_mul(per_page);
        if before >= total {
            return Page { items: Vec::new(), total };
        }
        let left = self.catalog.iter().map(|(ordinal, _)| (ordinal, projection.of(ordinal)));
        let wanted = left.filter(|(_, left)| available.is_none_or(|wanted| wanted == (*left > 0)));
        Page { items: wanted.skip(before).take(per_page).collect(), total }
    }
}

#[cfg(test)]
mod tests {
    use crate::application::live_sale::sample;
    use crate::domain::{CheckoutCode, LedgerEntry, LedgerEvent, Sold, SoldUnit};

    use super::*;

    /// Twenty items, of which every third is sold.
    fn sale() -> LiveSale {
        let sale = sample(20);
        let unit = |number: u32| SoldUnit { ordinal: Ordinal::try_from(number).unwrap(), unit: 1, slot: number };
        let sold = Sold {
            code: CheckoutCode::new(sale.sale().id, 1),
            user: "ann".parse().unwrap(),
            request: None,
            units: (1..=6).map(|third| unit(third * 3)).collect(),
            missed: Vec::new(),
        };
        sale.apply(&[LedgerEntry { id: "1-1".parse().unwrap(), event: LedgerEvent::Sold(sold) }]);
        sale
    }

    #[test]
    fn pages_together_show_each_item_once_and_none_more() {
        let sale = sale();
        for (available, expected) in [(None, 20), (Some(true), 14), (Some(false), 6)] {
            for per_page in [1, 3, 7, 20, 500] {
                let pages = (1..=20).map(|page| sale.page(page, per_page, available));
                let shown: Vec<_> =
                    pages.inspect(|page| assert_eq!(page.total, expected)).flat_map(|page| page.items).collect();
                let is_shown = |left: u32| available.is_none_or(|wanted| wanted == (left > 0));
                assert_eq!(shown.len(), expected);
                assert!(shown.is_sorted() && shown.iter().all(|(_, left)| is_shown(*left)), "{shown:?}");
            }
        }
        assert!(sale.page(usize::MAX, 500, None).items.is_empty());
    }
}
