//! Queries about sales, items and purchases. Live sales are answered from memory.

use std::sync::Arc;

use crate::application::shared::StoreError;
use crate::application::shared::blocking::apart;
use crate::domain::sale::{ItemRef, Receipt, Sale, SaleStatus};
use crate::domain::shared::{ItemId, OrderId, Ordinal, SaleId, UserId};

use super::list_page::{LIST_PAGE, ListPage};
use super::live_sale::LiveSale;
use super::ports::{PurchasePage, SaleFilter, SalePage};
use super::shop::Shop;

/// Items that are counted together on the way to a page.
const BLOCK: usize = 64;

/// One page of the items of a sale.
#[derive(Debug, Clone)]
pub struct ItemsPage {
    /// The items, each with its units left.
    pub items: Vec<(Ordinal, u32)>,
    /// The number of items on all pages.
    pub total: usize,
}

impl Shop {
    /// Lists sales, latest start first, after a sale of the list. Changes that other instances made appear within a
    /// second.
    pub async fn list_sales(
        &self,
        status: Option<SaleStatus>,
        after: Option<SaleId>,
    ) -> Result<Arc<ListPage<Sale, SaleId>>, StoreError> {
        let read = async {
            let status = status.map(|status| (status, self.clock.now()));
            let page = SalePage { status, after, limit: LIST_PAGE + 1 };
            let sales = self.reads.sales(SaleFilter::Page(page)).await?;
            Ok(ListPage::new(sales, |sale| sale.id))
        };
        self.sale_lists.page((status, after), read).await
    }

    /// Lists all sales, latest start first.
    pub async fn all_sales(&self, status: Option<SaleStatus>) -> Result<Vec<Sale>, StoreError> {
        let mut sales = Vec::new();
        let mut after = None;
        loop {
            let page = self.list_sales(status, after).await?;
            sales.extend_from_slice(&page.entries);
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(sales),
            }
        }
    }

    /// Returns an item and its sale; `None` if there is no such item.
    pub async fn item(&self, item: ItemRef) -> Result<Option<(Arc<LiveSale>, ItemId)>, StoreError> {
        let id = self.item_id(item)?;
        let sale = self.find_sale(id.sale).await?.filter(|sale| sale.catalog.item(id.ordinal).is_some());
        Ok(sale.map(|sale| (sale, id)))
    }

    /// Returns the id of an item; `None` if it is named by its number and no hourly sale is open here yet.
    pub fn named_item(&self, item: ItemRef) -> Option<ItemId> {
        self.item_id(item).ok()
    }

    /// Returns the id of an item. Fails with `Busy` if it is named by its number and no hourly sale is open here yet.
    pub(super) fn item_id(&self, item: ItemRef) -> Result<ItemId, StoreError> {
        match item {
            ItemRef::Id(id) => Ok(id),
            ItemRef::InCurrentSale(ordinal) => Ok(ItemId { sale: self.current_sale()?.id(), ordinal }),
        }
    }

    /// Lists the receipts of a user, or only those of orders, newest first, after a purchase of the list.
    pub async fn receipts_of(
        &self,
        user: &UserId,
        sale: Option<SaleId>,
        only_orders: bool,
        after: Option<OrderId>,
    ) -> Result<ListPage<Receipt, OrderId>, StoreError> {
        let page = PurchasePage { sale, only_orders, after, limit: LIST_PAGE + 1 };
        let receipts = self.reads.receipts_of(user, page).await?;
        Ok(ListPage::new(receipts, |receipt| receipt.order_id))
    }
}

impl LiveSale {
    /// Returns page `page`, from 1, of all items, of those with units left (`true`), or of those that are sold out.
    pub fn page(&self, page: usize, per_page: usize, available: Option<bool>) -> ItemsPage {
        let projection = self.projection();
        let (all, sold_out) = (self.catalog.items() as usize, projection.sold_out() as usize);
        let total = match available {
            None => all,
            Some(true) => all - sold_out,
            Some(false) => sold_out,
        };
        let before = (page - 1).saturating_mul(per_page);
        if before >= total {
            return ItemsPage { items: Vec::new(), total };
        }
        let is_wanted = |left: u32| available.is_none_or(|available| available == (left > 0));
        // Counting blocks is much faster than looking at each item, and a sale may have a million of them.
        let (mut start, mut skipped) = (0, 0);
        for block in projection.left().chunks(BLOCK) {
            let wanted = block.iter().filter(|left| is_wanted(**left)).count();
            if skipped + wanted > before {
                break;
            }
            (start, skipped) = (start + block.len(), skipped + wanted);
        }
        let ordinals = (start as u32 + 1..).map_while(|number| Ordinal::try_from(number).ok());
        let items = ordinals.zip(projection.left()[start..].iter().copied()).filter(|(_, left)| is_wanted(*left));
        ItemsPage { items: items.skip(before - skipped).take(per_page).collect(), total }
    }
}

/// Returns page `page`, from 1, of the items of a sale with this text in their names, in any case, or as their number.
pub async fn search(sale: Arc<LiveSale>, text: &str, page: usize, per_page: usize) -> ItemsPage {
    let text = text.to_lowercase();
    // A sale may have a million names.
    apart(move || sale.search(&text, page, per_page)).await
}

impl LiveSale {
    fn search(&self, text: &str, page: usize, per_page: usize) -> ItemsPage {
        let number: Option<u32> = text.parse().ok();
        let is_wanted = |ordinal: Ordinal, name: &str| number == Some(ordinal.get()) || has_text(name, text);
        let mut found: Vec<Ordinal> = self
            .catalog
            .iter()
            .filter(|(ordinal, item)| is_wanted(*ordinal, item.name()))
            .map(|(found, _)| found)
            .collect();
        found.sort_by_key(|ordinal| number != Some(ordinal.get()));
        let before = (page - 1).saturating_mul(per_page);
        let projection = self.projection();
        let shown = found.iter().skip(before).take(per_page);
        ItemsPage { items: shown.map(|ordinal| (*ordinal, projection.left_of(*ordinal))).collect(), total: found.len() }
    }
}

/// Returns true if a name contains a text in lower case.
fn has_text(name: &str, text: &str) -> bool {
    match name.is_ascii() && text.is_ascii() && !text.is_empty() {
        true => name.as_bytes().windows(text.len()).any(|part| part.eq_ignore_ascii_case(text.as_bytes())),
        false => name.to_lowercase().contains(text),
    }
}

#[cfg(test)]
mod tests {
    use crate::application::sale::live_sale::sample;
    use crate::domain::sale::{LedgerEntry, LedgerEvent, Purchase, SoldUnit};
    use crate::domain::shared::CheckoutCode;

    use super::*;

    const ITEMS: usize = 3 * BLOCK + 8;

    /// A sale of several blocks of items with every third sold.
    fn sale() -> LiveSale {
        let sale = sample(ITEMS as u32);
        let unit = |number: u32| SoldUnit { ordinal: Ordinal::try_from(number).unwrap(), unit: 1, slot: number };
        let sold = Purchase {
            code: CheckoutCode::new(sale.id(), 1),
            user: "ann".parse().unwrap(),
            request: None,
            units: (1..=ITEMS as u32 / 3).map(|third| unit(third * 3)).collect(),
            missed: Vec::new(),
        };
        sale.apply(&[LedgerEntry { id: "1-1".parse().unwrap(), event: LedgerEvent::Sold(sold) }]);
        sale
    }

    #[test]
    fn all_pages_together_show_each_item_once() {
        let sale = sale();
        for (available, expected) in [(None, ITEMS), (Some(true), ITEMS - ITEMS / 3), (Some(false), ITEMS / 3)] {
            for per_page in [1, 3, 7, 64, 500] {
                let pages = (1..=ITEMS).map(|page| sale.page(page, per_page, available));
                let shown: Vec<_> =
                    pages.inspect(|page| assert_eq!(page.total, expected)).flat_map(|page| page.items).collect();
                let is_shown = |left: u32| available.is_none_or(|wanted| wanted == (left > 0));
                assert_eq!(shown.len(), expected);
                assert!(shown.is_sorted() && shown.iter().all(|(_, left)| is_shown(*left)), "{shown:?}");
            }
        }
        assert!(sale.page(usize::MAX, 500, None).items.is_empty());
    }

    #[tokio::test]
    async fn a_search_finds_the_number_first_and_names_in_any_case() {
        let sale = Arc::new(sale());
        let numbers = |page: ItemsPage| page.items.iter().map(|(ordinal, _)| ordinal.get()).collect::<Vec<_>>();
        let found = search(sale.clone(), "12", 1, 500).await;
        assert_eq!((found.total, numbers(found.clone())[..3].to_vec()), (12, vec![12, 112, 120]));
        let name = sale.catalog.item(Ordinal::try_from(7).unwrap()).unwrap().name().to_uppercase();
        assert_eq!(numbers(search(sale.clone(), &name, 1, 1).await), [7]);
        assert_eq!(search(sale.clone(), "No.", 2, 150).await.items.len(), ITEMS - 150);
        assert_eq!(search(sale, "nothing like it", 1, 50).await.total, 0);
        assert!(has_text("ÄRMEL", "ärmel") && has_text("Kä", "ä") && !has_text("Lamp", "ä"));
    }
}
