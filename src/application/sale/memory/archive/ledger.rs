//! The copies of the ledgers and of the checkout attempts.

use async_trait::async_trait;

use crate::application::sale::ports::{
    Attempt, AttemptArchive, Cursors, LedgerArchive, PersistError, RefusalKey, RejectedEntry, Rejection,
    RejectionReason,
};
use crate::application::shared::StoreError;
use crate::domain::sale::{LedgerEntry, LedgerEvent, Purchase, Release, ReleaseReason, SoldUnit};
use crate::domain::shared::{Epoch, LedgerId, SaleId};

use super::{ArchiveCall, ArchivedSale, MemoryArchive, State};

#[async_trait]
impl LedgerArchive for MemoryArchive {
    async fn cursors(&self, sale: SaleId) -> Result<Cursors, StoreError> {
        self.run(ArchiveCall::Cursors, |state| {
            let archived = state.existing(sale)?;
            let ArchivedSale { epoch, is_restoring, ledger, attempts_cursor: attempts, .. } = *archived;
            Ok(Cursors { epoch, is_restoring, ledger, attempts })
        })
        .await
    }

    async fn persist(
        &self,
        epoch: Epoch,
        sale: SaleId,
        after: LedgerId,
        entries: &[LedgerEntry],
    ) -> Result<(), PersistError> {
        self.run(ArchiveCall::Persist, |state| {
            if let Some(error) = state.persist_errors.pop_front() {
                return Err(error);
            }
            let Some(last) = entries.last() else { return Ok(()) };
            let unwanted = state.unwanted.clone();
            let archived = state.at_cursor(epoch, sale, after)?;
            let mut written = archived.clone();
            let (releases, others): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| entry.is_release());
            for entry in releases.into_iter().chain(others) {
                match &entry.event {
                    LedgerEvent::Sold(purchase) => {
                        if let Some(reason) = unwanted.get(&purchase.code) {
                            return Err(rejected(*reason, "the test does not want it"));
                        }
                        written.add(entry.id, purchase)?;
                    }
                    LedgerEvent::Released(release) if entry.is_release() => written.release(entry.id, release)?,
                    LedgerEvent::Opened | LedgerEvent::Released(_) | LedgerEvent::Unreadable(_) => {}
                }
            }
            *archived = ArchivedSale { ledger: last.id, ..written };
            Ok(())
        })
        .await
    }

    async fn reject(
        &self,
        epoch: Epoch,
        sale: SaleId,
        after: LedgerId,
        entry: &LedgerEntry,
        rejection: &Rejection,
    ) -> Result<(), PersistError> {
        self.run(ArchiveCall::Reject, |state| {
            let archived = state.at_cursor(epoch, sale, after)?;
            if archived.rejected.iter().any(|rejected| rejected.id == entry.id) {
                return Err(rejected(RejectionReason::Invalid, "the entry is filed already"));
            }
            archived.rejected.push(RejectedEntry { id: entry.id, reason: rejection.reason, released: false });
            archived.rejected.sort_by_key(|rejected| rejected.id);
            archived.ledger = entry.id;
            Ok(())
        })
        .await
    }

    async fn rejections(&self, sale: SaleId) -> Result<Vec<RejectedEntry>, StoreError> {
        self.run(ArchiveCall::Rejections, |state| {
            Ok(state.sales.get(&sale).map_or_else(Vec::new, |archived| archived.rejected.clone()))
        })
        .await
    }

    async fn unowned(&self, sale: SaleId, id: LedgerId, purchase: &Purchase) -> Result<Release, StoreError> {
        self.run(ArchiveCall::Unowned, |state| {
            let archived = state.existing(sale)?;
            let is_free =
                |unit: &&SoldUnit| archived.has_unit(unit) && !archived.units.contains_key(&(unit.ordinal, unit.unit));
            let is_empty = |slot: &u32| !archived.slots.contains(&(purchase.user.clone(), *slot));
            let units = purchase.units.iter().filter(is_free).copied().collect();
            let slots = purchase.units.iter().map(|unit| unit.slot).filter(is_empty).collect();
            Ok(Release { purchase: id, units, slots, reason: ReleaseReason::Rejected })
        })
        .await
    }

    async fn note_release(&self, sale: SaleId, release: LedgerId, note: &str) -> Result<(), StoreError> {
        self.run(ArchiveCall::NoteRelease, |state| {
            state.known(sale).notes.insert(release, note.to_owned());
            Ok(())
        })
        .await
    }

    async fn mark_released(&self, sale: SaleId, id: LedgerId) -> Result<(), StoreError> {
        self.run(ArchiveCall::MarkReleased, |state| {
            let rejected = state.sales.get_mut(&sale).into_iter().flat_map(|archived| &mut archived.rejected);
            rejected.filter(|rejected| rejected.id == id).for_each(|rejected| rejected.released = true);
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl AttemptArchive for MemoryArchive {
    async fn persist_attempts(
        &self,
        sale: SaleId,
        after: LedgerId,
        last: LedgerId,
        attempts: &[Attempt],
    ) -> Result<(), PersistError> {
        self.run(ArchiveCall::PersistAttempts, |state| {
            let archived = state.sales.get_mut(&sale).filter(|archived| archived.attempts_cursor == after);
            let archived = archived.ok_or(PersistError::CursorMoved)?;
            archived.attempts.extend_from_slice(attempts);
            archived.attempts_cursor = last;
            Ok(())
        })
        .await
    }

    async fn add_refusals(&self, counts: &[(RefusalKey, u64)]) -> Result<(), StoreError> {
        self.run(ArchiveCall::AddRefusals, |state| {
            counts.iter().for_each(|(key, count)| *state.refusals.entry(*key).or_default() += count);
            Ok(())
        })
        .await
    }
}

impl State {
    /// Returns a sale to write to, if it is in this epoch and the cursor stands there.
    fn at_cursor(&mut self, epoch: Epoch, sale: SaleId, after: LedgerId) -> Result<&mut ArchivedSale, PersistError> {
        match self.sales.get_mut(&sale) {
            Some(archived) if archived.epoch != epoch => Err(PersistError::EpochPassed),
            Some(archived) if archived.ledger == after => Ok(archived),
            _ => Err(PersistError::CursorMoved),
        }
    }
}

impl ArchivedSale {
    /// Adds a purchase under the guards of the schema. A sale with a violated constraint must not be kept.
    fn add(&mut self, id: LedgerId, purchase: &Purchase) -> Result<(), PersistError> {
        if self.purchases.contains_key(&id) {
            return Err(PersistError::Duplicate);
        }
        let is_same_request = |other: &Purchase| {
            other.request.is_some() && (&other.user, &other.request) == (&purchase.user, &purchase.request)
        };
        if self.purchases.values().any(|other| other.code == purchase.code || is_same_request(other)) {
            return Err(rejected(RejectionReason::Invalid, "the code or the request has bought already"));
        }
        for unit in &purchase.units {
            self.add_unit(id, purchase, unit)?;
        }
        self.purchases.insert(id, purchase.clone());
        Ok(())
    }

    fn add_unit(&mut self, id: LedgerId, purchase: &Purchase, unit: &SoldUnit) -> Result<(), PersistError> {
        if self.catalog.item(unit.ordinal).is_none() {
            return Err(rejected(RejectionReason::Invalid, "the sale does not have the item"));
        }
        if !self.has_unit(unit) || self.units.insert((unit.ordinal, unit.unit), id).is_some() {
            return Err(rejected(RejectionReason::UnitSold, "the unit is sold or does not exist"));
        }
        let is_slot = (1..=self.sale.user_limit).contains(&unit.slot);
        if !is_slot || !self.slots.insert((purchase.user.clone(), unit.slot)) {
            return Err(rejected(RejectionReason::SlotFilled, "the slot is filled or does not exist"));
        }
        Ok(())
    }

    /// Frees the units of a purchase that owns some.
    fn release(&mut self, id: LedgerId, release: &Release) -> Result<(), PersistError> {
        let purchase = self.purchases.get(&release.purchase).filter(|_| !self.is_released(release.purchase));
        let Some(purchase) = purchase else {
            return Err(rejected(RejectionReason::Invalid, "the purchase owns nothing"));
        };
        for unit in &purchase.units {
            self.units.remove(&(unit.ordinal, unit.unit));
            self.slots.remove(&(purchase.user.clone(), unit.slot));
        }
        self.releases.insert(id, release.clone());
        Ok(())
    }

    fn has_unit(&self, unit: &SoldUnit) -> bool {
        self.catalog.item(unit.ordinal).is_some_and(|item| (1..=item.stock()).contains(&unit.unit))
    }
}

fn rejected(reason: RejectionReason, message: impl ToString) -> PersistError {
    PersistError::Rejected(Rejection { reason, message: message.to_string() })
}
