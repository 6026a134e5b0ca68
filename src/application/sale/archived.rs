//! The archived purchases and releases of a sale, page by page.

use futures::stream::{self, Stream};

use crate::application::shared::StoreError;
use crate::domain::sale::LedgerEntry;
use crate::domain::shared::{LedgerId, SaleId};

use super::shop::Shop;

/// Entries of one page.
const PAGE: usize = 5_000;

impl Shop {
    /// Reads the archived purchases and releases of a sale in the order of the ledger. Those archived meanwhile are on the
    /// last pages.
    pub(super) fn archived_entries(&self, sale: SaleId) -> impl Stream<Item = Result<Vec<LedgerEntry>, StoreError>> {
        stream::try_unfold(LedgerId::ZERO, move |after| async move {
            let page = self.archive.entries_in(sale, after, PAGE).await?;
            Ok(page.last().map(|last| last.id).map(|last| (page, last)))
        })
    }
}
