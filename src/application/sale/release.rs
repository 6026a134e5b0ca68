//! Releasing purchases whose orders ended without payment: the command of the ordering context.

use std::collections::HashMap;

use crate::application::shared::StoreError;
use crate::domain::sale::{LedgerEntry, LedgerEvent, Receipt, Release, ReleaseReason, ReleaseRefusal};
use crate::domain::shared::{LedgerId, OrderId, SaleId};

use super::fence::CurrentEpoch;
use super::live_sale::LiveSale;
use super::shop::Shop;

/// Releases of one call. Other scripts wait for it.
const GROUP: usize = 16;

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
        for group in releases.chunks(GROUP) {
            self.release_group(&live, epoch, group).await?;
        }
        Ok(())
    }

    async fn release_group(
        &self,
        live: &LiveSale,
        epoch: CurrentEpoch<'_>,
        group: &[Release],
    ) -> Result<(), StoreError> {
        let decided = epoch.check(self.store.release_all(epoch.number(), live.id(), group).await)?;
        let (mut entries, mut result) = (Vec::with_capacity(group.len()), Ok(()));
        for (release, released) in group.iter().zip(decided) {
            match released {
                Ok(id) => entries.push(LedgerEntry { id, event: LedgerEvent::Released(release.clone()) }),
                Err(ReleaseRefusal::ReleasedBefore(_)) => {}
                // PostgreSQL has it, so Redis has lost it.
                Err(refusal) => {
                    result = Err(StoreError::corrupt(format!("{} was not released: {refusal:?}", release.purchase)));
                }
            }
        }
        live.note(epoch.number(), entries);
        result
    }

    /// Returns the receipt of an order, from the archive.
    pub async fn receipt_of_order(&self, id: OrderId) -> Result<Option<Receipt>, StoreError> {
        let Some(live) = self.find_sale(id.sale).await? else { return Ok(None) };
        let recorded = self.archive.purchases(id.sale, &[id.entry]).await?;
        recorded.first().map(|recorded| live.receipt(recorded)).transpose()
    }
}
