//! The archived purchases of a sale, page by page.

use futures::stream::{self, Stream};

use crate::application::shared::StoreError;
use crate::domain::shared::{LedgerId, SaleId};

use super::ports::{PurchaseArchive, RecordedPurchase};

/// Purchases of one page.
const PAGE: usize = 5_000;

/// Reads the archived purchases of a sale in the order of the ledger. Purchases archived meanwhile are on the last
/// pages.
pub(super) fn archived_purchases(
    archive: &(impl PurchaseArchive + ?Sized),
    sale: SaleId,
) -> impl Stream<Item = Result<Vec<RecordedPurchase>, StoreError>> {
    stream::try_unfold(LedgerId::ZERO, move |after| async move {
        let page = archive.purchases_in(sale, after, PAGE).await?;
        Ok(page.last().map(|last| last.id).map(|last| (page, last)))
    })
}
