//! The fence of a sale: permission to decide in it, in one epoch.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use tokio::sync::Notify;

use crate::application::shared::StoreError;
use crate::domain::shared::{Epoch, SaleId};

use super::ports::{DecideError, PersistError};

/// Open in an epoch, or closed until it is certain that Redis holds the state of the sale.
#[derive(Debug, Default)]
pub struct Fence {
    /// Zero before the fence has been open, negative while it is closed since; epochs begin at one.
    epoch: AtomicI64,
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

    /// Returns the epoch in which the fence is open or was open last; zero if it never was.
    pub fn last(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::Acquire).abs())
    }

    /// Enters the current epoch of this sale. Fails with [`StoreError::Fenced`] while the fence is closed.
    pub fn enter<'a>(&'a self, sale: SaleId, alarm: &'a Alarm) -> Result<CurrentEpoch<'a>, StoreError> {
        let epoch = self.epoch().ok_or(StoreError::Fenced)?;
        Ok(CurrentEpoch { sale, fence: self, alarm, epoch })
    }

    /// Allows decisions in this epoch.
    pub fn open(&self, epoch: Epoch) {
        self.epoch.store(epoch.0, Ordering::Release);
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

/// The epoch of a sale in which one operation runs. A loss of the state of Redis is noted here and nowhere else.
#[derive(Debug, Clone, Copy)]
pub struct CurrentEpoch<'a> {
    sale: SaleId,
    fence: &'a Fence,
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
        if self.fence.close(self.epoch) {
            tracing::warn!(
                sale = %self.sale,
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
    use super::*;

    #[test]
    fn a_loss_of_state_closes_the_fence_of_its_own_epoch_only() {
        let (fence, alarm) = (Fence::default(), Alarm::default());
        let enter = || fence.enter("20261120T09".parse().unwrap(), &alarm);
        assert!(matches!(enter(), Err(StoreError::Fenced)) && !fence.was_open());
        fence.open(Epoch(1));
        let first = enter().unwrap();
        let busy: Result<(), StoreError> = Err(StoreError::Busy("full"));
        assert!(first.check(busy).is_err() && fence.epoch() == Some(Epoch(1)));
        fence.open(Epoch(2));
        let late: Result<(), PersistError> = Err(PersistError::EpochPassed);
        assert!(first.check(late).is_err() && fence.epoch() == Some(Epoch(2)));
        let lost: Result<(), PersistError> = Err(StoreError::Fenced.into());
        assert!(enter().unwrap().check(lost).is_err() && fence.epoch().is_none());
        assert!(fence.was_open() && fence.last() == Epoch(2));
        assert_eq!(alarm.closed(), 1);
    }
}
