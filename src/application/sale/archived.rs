//! The archived purchases and releases of a sale, page by page.

use futures::stream::{self, Stream};

use crate::application::shared::StoreError;
use crate::domain::sale::LedgerEntry;
use crate::domain::shared::{LedgerId, SaleId};

use super::ports::PurchaseArchive;

/// Entries of one page.
const PAGE: usize = 5_000;

/// Reads the archived purchases and releases of a sale in the order of the ledger. Those archived meanwhile are on the
/// last pages.
pub(super) fn archived_entries(
    archive: &(impl PurchaseArchive + ?Sized),
    sale: SaleId,
) -> impl Stream<Item = Result<Vec<LedgerEntry>, StoreError>> {
    stream::try_unfold(LedgerId::ZERO, move |after| async move {
        let page = archive.entries_in(sale, after, PAGE).await?;
        Ok(page.last().map(|last| last.id).map(|last| (page, last)))
    })
}
