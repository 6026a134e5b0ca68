//! Releasing purchases whose orders ended without payment: the command of the ordering context.

use std::collections::HashMap;

use futures::stream::{self, StreamExt, TryStreamExt};

use crate::application::shared::StoreError;
use crate::domain::sale::{LedgerEntry, LedgerEvent, Receipt, Release, ReleaseReason, ReleaseRefusal};
use crate::domain::shared::{LedgerId, OrderId, SaleId};

use super::ports::DecideError;
use super::shop::Shop;

/// Releases that are under way at once.
const CONCURRENT: usize = 16;

impl Shop {
    /// Frees the units and slots of committed purchases, which keep their receipts. Any number of calls free them once.
    /// Every one of them must have ended for good: its units are for sale again when this returns.
    pub async fn release(&self, sale: SaleId, ended: &[(LedgerId, ReleaseReason)]) -> Result<(), StoreError> {
        let Some(live) = self.find_sale(sale).await? else { return Ok(()) };
        let epoch = self.enter(&live)?;
        let ids: Vec<LedgerId> = ended.iter().map(|(id, _)| *id).collect();
        let purchases = self.archive.purchases(sale, &ids).await?;
        let reasons: HashMap<LedgerId, ReleaseReason> = ended.iter().copied().collect();
        let mut releases = Vec::with_capacity(purchases.len());
        for recorded in &purchases {
            releases
                .extend(reasons.get(&recorded.id).map(|reason| Release::of(recorded.id, &recorded.purchase, *reason)));
        }
        let live = &live;
        let releasing = stream::iter(releases).map(|release| async move {
            match epoch.check(self.store.release(epoch.number(), sale, &release).await) {
                Ok(id) => {
                    live.note(epoch.number(), vec![LedgerEntry { id, event: LedgerEvent::Released(release) }]);
                    Ok(())
                }
                Err(DecideError::Refused(ReleaseRefusal::ReleasedBefore(_))) => Ok(()),
                // PostgreSQL has it, so Redis has lost it.
                Err(DecideError::Refused(refusal)) => {
                    Err(StoreError::corrupt(format!("{} was not released: {refusal:?}", release.purchase)))
                }
                Err(DecideError::Failed(error)) => Err(error),
            }
        });
        releasing.buffer_unordered(CONCURRENT).try_collect().await
    }

    /// Returns the receipt of an order, from the archive.
    pub async fn receipt_of_order(&self, id: OrderId) -> Result<Option<Receipt>, StoreError> {
        let Some(live) = self.find_sale(id.sale).await? else { return Ok(None) };
        let recorded = self.archive.purchases(id.sale, &[id.entry]).await?;
        recorded.first().map(|recorded| live.receipt(recorded)).transpose()
    }
}
