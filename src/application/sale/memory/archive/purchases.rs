//! Purchases.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, DurationRound, TimeDelta, Utc};

use crate::application::sale::ports::{ArchiveFindings, MinuteSold, PurchaseArchive, PurchasePage, RecordedPurchase};
use crate::application::shared::StoreError;
use crate::domain::sale::{Holdings, LedgerEntry, LedgerEvent, Purchase, Receipt};
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

    async fn purchases(&self, sale: SaleId, ids: &[LedgerId]) -> Result<Vec<RecordedPurchase>, StoreError> {
        self.run(ArchiveCall::Purchases, |state| {
            let wanted = |recorded: &RecordedPurchase| ids.contains(&recorded.id);
            Ok(state.sales.get(&sale).map_or_else(Vec::new, |sale| sale.recorded().filter(wanted).collect()))
        })
        .await
    }

    async fn receipts_of(&self, user: &UserId, page: PurchasePage) -> Result<Vec<Receipt>, StoreError> {
        self.run(ArchiveCall::ReceiptsOf, |state| {
            let is_wanted = |sale: &&ArchivedSale| {
                let has_orders = sale.sale.payment_window.is_some();
                page.sale.is_none_or(|id| sale.sale.id == id) && (has_orders || !page.only_orders)
            };
            let sales = state.sales.values().filter(is_wanted);
            let mut receipts: Vec<Receipt> =
                sales.map(|sale| sale.receipts_of(user)).collect::<Result<Vec<_>, _>>()?.concat();
            receipts.sort_by_key(|receipt| Reverse(place(receipt.order_id)));
            receipts.retain(|receipt| page.after.is_none_or(|after| place(receipt.order_id) < place(after)));
            receipts.truncate(page.limit);
            Ok(receipts)
        })
        .await
    }

    async fn entries_in(&self, sale: SaleId, after: LedgerId, max: usize) -> Result<Vec<LedgerEntry>, StoreError> {
        self.run(ArchiveCall::EntriesIn, |state| {
            let page = |sale: &ArchivedSale| sale.entries().filter(|entry| entry.id > after).take(max).collect();
            Ok(state.sales.get(&sale).map_or_else(Vec::new, page))
        })
        .await
    }

    async fn sold_by_minute(&self, sale: SaleId) -> Result<Vec<MinuteSold>, StoreError> {
        self.run(ArchiveCall::SoldByMinute, |state| {
            let mut minutes: BTreeMap<DateTime<Utc>, i64> = BTreeMap::new();
            for entry in state.sales.get(&sale).into_iter().flat_map(ArchivedSale::entries) {
                let units = match entry.event {
                    LedgerEvent::Sold(purchase) => purchase.units.len() as i64,
                    LedgerEvent::Released(release) => -(release.units.len() as i64),
                    LedgerEvent::Opened | LedgerEvent::Unreadable(_) => 0,
                };
                *minutes
                    .entry(entry.id.time().duration_trunc(TimeDelta::minutes(1)).unwrap_or_default())
                    .or_default() += units;
            }
            Ok(minutes.into_iter().map(|(begins_at, units)| MinuteSold { begins_at, units }).collect())
        })
        .await
    }

    async fn held(&self, sale: SaleId, of: &Holdings) -> Result<Holdings, StoreError> {
        self.run(ArchiveCall::Held, |state| {
            Ok(state.sales.get(&sale).map_or_else(Holdings::default, |sale| sale.holdings().among(of)))
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

    /// Returns the purchases and releases in the order of the ledger.
    fn entries(&self) -> impl Iterator<Item = LedgerEntry> {
        let sold = self.purchases.iter().map(|(id, purchase)| (*id, LedgerEvent::Sold(purchase.clone())));
        let released = self.releases.iter().map(|(id, release)| (*id, LedgerEvent::Released(release.clone())));
        let entries: BTreeMap<LedgerId, LedgerEvent> = sold.chain(released).collect();
        entries.into_iter().map(|(id, event)| LedgerEntry { id, event })
    }

    /// Returns what the purchases hold that were not released, and the receipts and requests of all.
    fn holdings(&self) -> Holdings {
        let mut all = Holdings::default();
        for (id, purchase) in &self.purchases {
            let units = if self.is_released(*id) { Vec::new() } else { purchase.units.clone() };
            all.record(*id, &Purchase { units, ..purchase.clone() });
        }
        all.released.extend(self.releases.iter().map(|(id, release)| (release.purchase, *id)));
        all
    }

    pub(super) fn is_released(&self, purchase: LedgerId) -> bool {
        self.releases.values().any(|release| release.purchase == purchase)
    }

    fn receipts_of(&self, user: &UserId) -> Result<Vec<Receipt>, StoreError> {
        let receipt = |(id, purchase): (&LedgerId, &Purchase)| {
            let item = |ordinal| self.catalog.item(ordinal);
            Receipt::new(self.sale.terms(), item, *id, purchase).map_err(StoreError::corrupt)
        };
        self.purchases.iter().filter(|(_, purchase)| purchase.user == *user).map(receipt).collect()
    }
}
