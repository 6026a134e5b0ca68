//! The fence of a sale: permission to decide in it, in one epoch.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::application::shared::StoreError;
use crate::domain::shared::Epoch;

use super::live_sale::LiveSale;
use super::ports::{DecideError, History, PersistError};
use super::shop::Shop;

/// Open in an epoch, or closed until it is certain that Redis holds the state of the sale.
#[derive(Debug, Default)]
pub struct Fence {
    /// Zero before the fence has been open, negative while it is closed since; epochs begin at one.
    epoch: AtomicI64,
    last: Mutex<Option<(Epoch, History)>>,
}

impl Fence {
    /// Returns the current epoch, or `None` while the fence is closed.
    pub fn epoch(&self) -> Option<Epoch> {
        let epoch = self.epoch.load(Ordering::Acquire);
        (epoch > 0).then_some(Epoch(epoch))
    }

    /// Returns true if the fence is or was open: this instance knows the sale.
    pub fn was_open(&self) -> bool {
        self.epoch.load(Ordering::Acquire) != 0
    }

    /// Allows decisions in this epoch, which Redis holds in this history.
    pub fn open(&self, epoch: Epoch, history: History) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((epoch, history));
        self.epoch.store(epoch.0, Ordering::Release);
    }

    /// Returns the epoch and the history in which the fence was open last, or is.
    pub fn last(&self) -> Option<(Epoch, History)> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Closes the fence. Returns false if that had happened before, or if another epoch has begun since.
    fn close(&self, epoch: Epoch) -> bool {
        self.epoch.compare_exchange(epoch.0, -epoch.0, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// Calls recovery for a sale with a closed fence.
#[derive(Debug, Default)]
pub struct Alarm {
    raised: Notify,
    closed: AtomicU64,
}

impl Alarm {
    /// Wakes recovery.
    pub fn raise(&self) {
        self.raised.notify_one();
    }

    /// Waits until the alarm is raised.
    pub async fn raised(&self) {
        self.raised.notified().await;
    }

    /// Returns the number of fences that this instance has closed.
    pub fn closed(&self) -> u64 {
        self.closed.load(Ordering::Relaxed)
    }
}

impl Shop {
    /// Enters the current epoch of a sale. Fails with [`StoreError::Fenced`] while its fence is closed.
    pub fn enter<'a>(&'a self, sale: &'a LiveSale) -> Result<CurrentEpoch<'a>, StoreError> {
        let epoch = sale.fence.epoch().ok_or(StoreError::Fenced)?;
        Ok(CurrentEpoch { sale, alarm: &self.alarm, epoch })
    }
}

/// The epoch of a sale in which one operation runs. A loss of the state of Redis is noted here and nowhere else.
#[derive(Debug, Clone, Copy)]
pub struct CurrentEpoch<'a> {
    sale: &'a LiveSale,
    alarm: &'a Alarm,
    epoch: Epoch,
}

impl CurrentEpoch<'_> {
    /// The epoch to pass to the store.
    pub fn number(self) -> Epoch {
        self.epoch
    }

    /// Closes the fence, because Redis does not hold the state of this epoch, and calls recovery. Does nothing if another
    /// epoch has begun since.
    pub fn note_loss(self) {
        if self.sale.fence.close(self.epoch) {
            tracing::warn!(
                sale = %self.sale.id(),
                epoch = self.epoch.0,
                "Redis does not hold the state of this sale: its purchases are refused until it is restored"
            );
            self.alarm.closed.fetch_add(1, Ordering::Relaxed);
            self.alarm.raise();
        }
    }

    /// Passes the result of a store on, and closes the fence if it says that the state of this epoch is lost.
    pub fn check<T, E: MayBeFenced>(self, result: Result<T, E>) -> Result<T, E> {
        result.inspect_err(|error| {
            if error.is_fenced() {
                self.note_loss();
            }
        })
    }
}

/// An error that can mean that the store does not hold the state of the epoch.
pub trait MayBeFenced {
    /// Returns true if it does mean that.
    fn is_fenced(&self) -> bool;
}

impl MayBeFenced for StoreError {
    fn is_fenced(&self) -> bool {
        matches!(self, StoreError::Fenced)
    }
}

impl<Refusal> MayBeFenced for DecideError<Refusal> {
    fn is_fenced(&self) -> bool {
        matches!(self, DecideError::Failed(StoreError::Fenced))
    }
}

impl MayBeFenced for PersistError {
    fn is_fenced(&self) -> bool {
        matches!(self, PersistError::EpochPassed | PersistError::Store(StoreError::Fenced))
    }
}

#[cfg(test)]
mod tests {
    use crate::application::sale::live_sale::sample;

    use super::*;

    #[test]
    fn a_loss_of_state_closes_the_fence_of_its_own_epoch_only() {
        let (sale, alarm) = (sample(1), Alarm::default());
        let enter = || sale.fence.epoch().map(|epoch| CurrentEpoch { sale: &sale, alarm: &alarm, epoch });
        let open = |epoch| sale.fence.open(Epoch(epoch), History("one".to_owned()));
        assert!(enter().is_none() && !sale.fence.was_open());
        open(1);
        let first = enter().unwrap();
        let busy: Result<(), StoreError> = Err(StoreError::Busy("full"));
        assert!(first.check(busy).is_err() && sale.fence.epoch() == Some(Epoch(1)));
        open(2);
        let late: Result<(), PersistError> = Err(PersistError::EpochPassed);
        assert!(first.check(late).is_err() && sale.fence.epoch() == Some(Epoch(2)));
        let lost: Result<(), PersistError> = Err(StoreError::Fenced.into());
        assert!(enter().unwrap().check(lost).is_err() && enter().is_none() && sale.fence.was_open());
        assert_eq!(sale.fence.last(), Some((Epoch(2), History("one".to_owned()))));
        assert_eq!(alarm.closed(), 1);
    }
}
