//! Purchases.

use std::cmp::Reverse;

use async_trait::async_trait;

use crate::application::sale::ports::{ArchiveFindings, PurchaseArchive, PurchasePage, RecordedPurchase};
use crate::application::shared::StoreError;
use crate::domain::sale::{Holdings, Purchase, Receipt};
use crate::domain::shared::{CheckoutCode, LedgerId, OrderId, RequestId, SaleId, UserId};

use super::{ArchiveCall, ArchivedSale, MemoryArchive};

#[async_trait]
impl PurchaseArchive for MemoryArchive {
    async fn purchase_by_code(&self, code: CheckoutCode) -> Result<Option<RecordedPurchase>, StoreError> {
        self.run(ArchiveCall::PurchaseByCode, |state| {
            let sale = state.sales.get(&code.sale);
            Ok(sale.and_then(|sale| sale.recorded().find(|recorded| recorded.purchase.code == code)))
        })
        .await
    }

    async fn purchase_by_request(
        &self,
        sale: SaleId,
        user: &UserId,
        request: &RequestId,
    ) -> Result<Option<RecordedPurchase>, StoreError> {
        self.run(ArchiveCall::PurchaseByRequest, |state| {
            let is_made_by = |purchase: &Purchase| purchase.user == *user && purchase.request.as_ref() == Some(request);
            let sale = state.sales.get(&sale);
            Ok(sale.and_then(|sale| sale.recorded().find(|recorded| is_made_by(&recorded.purchase))))
        })
        .await
    }

    async fn receipts_of(&self, user: &UserId, page: PurchasePage) -> Result<Vec<Receipt>, StoreError> {
        self.run(ArchiveCall::ReceiptsOf, |state| {
            let sales = state.sales.values().filter(|sale| page.sale.is_none_or(|id| sale.sale.id == id));
            let mut receipts: Vec<Receipt> =
                sales.map(|sale| sale.receipts_of(user)).collect::<Result<Vec<_>, _>>()?.concat();
            receipts.sort_by_key(|receipt| Reverse(place(receipt.order_id)));
            receipts.retain(|receipt| page.after.is_none_or(|after| place(receipt.order_id) < place(after)));
            receipts.truncate(page.limit);
            Ok(receipts)
        })
        .await
    }

    async fn purchases_in(
        &self,
        sale: SaleId,
        after: LedgerId,
        max: usize,
    ) -> Result<Vec<RecordedPurchase>, StoreError> {
        self.run(ArchiveCall::PurchasesIn, |state| {
            let page = |sale: &ArchivedSale| sale.recorded().filter(|recorded| recorded.id > after).take(max).collect();
            Ok(state.sales.get(&sale).map_or_else(Vec::new, page))
        })
        .await
    }

    async fn held(&self, sale: SaleId, of: &Holdings) -> Result<Holdings, StoreError> {
        self.run(ArchiveCall::Held, |state| {
            let mut all = Holdings::default();
            let sale = state.sales.get(&sale);
            sale.into_iter().flat_map(ArchivedSale::recorded).for_each(|sold| all.record(sold.id, &sold.purchase));
            Ok(all.among(of))
        })
        .await
    }

    async fn check(&self, sale: SaleId) -> Result<ArchiveFindings, StoreError> {
        self.run(ArchiveCall::Check, |state| {
            let sold = state.sales.get(&sale).map_or(0, |sale| sale.units.len() as u64);
            // The guards hold here without exception, and totals are not stored.
            Ok(ArchiveFindings { sold, oversold: 0, over_limit: 0, wrong_totals: 0 })
        })
        .await
    }
}

/// The order of lists of receipts.
fn place(order: OrderId) -> (LedgerId, String) {
    (order.entry, order.sale.to_string())
}

impl ArchivedSale {
    fn recorded(&self) -> impl Iterator<Item = RecordedPurchase> {
        self.purchases.iter().map(|(id, purchase)| RecordedPurchase {
            id: *id,
            purchase: purchase.clone(),
            replayed: true,
        })
    }

    fn receipts_of(&self, user: &UserId) -> Result<Vec<Receipt>, StoreError> {
        let receipt = |(id, purchase): (&LedgerId, &Purchase)| {
            let item = |ordinal| self.catalog.item(ordinal);
            Receipt::new(self.catalog.currency(), item, *id, purchase).map_err(StoreError::corrupt)
        };
        self.purchases.iter().filter(|(_, purchase)| purchase.user == *user).map(receipt).collect()
    }
}
