//! The fence: permission to decide, in one epoch.

use std::sync::atomic::{AtomicI64, Ordering};

use tokio::sync::Notify;

use crate::application::shared::StoreError;
use crate::domain::shared::Epoch;

use super::ports::{DecideError, PersistError};

/// Open in an epoch, or closed until recovery has checked Redis.
#[derive(Debug, Default)]
pub struct Fence {
    /// Zero while closed; epochs begin at one.
    epoch: AtomicI64,
    tripped: Notify,
}

impl Fence {
    /// Returns the current epoch, or `None` while recovery is at work.
    pub fn epoch(&self) -> Option<Epoch> {
        match self.epoch.load(Ordering::Acquire) {
            0 => None,
            epoch => Some(Epoch(epoch)),
        }
    }

    /// Enters the current epoch. Fails with [`StoreError::Fenced`] while the fence is closed.
    pub fn enter(&self) -> Result<CurrentEpoch<'_>, StoreError> {
        let epoch = self.epoch().ok_or(StoreError::Fenced)?;
        Ok(CurrentEpoch { fence: self, epoch })
    }

    /// Allows decisions in this epoch.
    pub fn open(&self, epoch: Epoch) {
        self.epoch.store(epoch.0, Ordering::Release);
    }

    /// Closes the fence because Redis does not hold the state of `epoch`, and wakes recovery. Does nothing if another
    /// epoch has begun since.
    fn trip(&self, epoch: Epoch) {
        if self.epoch.compare_exchange(epoch.0, 0, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            tracing::warn!(
                epoch = epoch.0,
                "Redis does not hold the state of this epoch: purchases are refused until it is restored"
            );
            self.tripped.notify_one();
        }
    }

    /// Waits until the fence is tripped.
    pub async fn tripped(&self) {
        self.tripped.notified().await;
    }
}

/// The epoch in which one operation runs. A loss of the state of Redis is noted here and nowhere else.
#[derive(Debug, Clone, Copy)]
pub struct CurrentEpoch<'a> {
    fence: &'a Fence,
    epoch: Epoch,
}

impl CurrentEpoch<'_> {
    /// The epoch to pass to the store.
    pub fn number(self) -> Epoch {
        self.epoch
    }

    /// Trips the fence: the state of this epoch is lost.
    pub fn note_loss(self) {
        self.fence.trip(self.epoch);
    }

    /// Passes the result of a store on, and trips the fence if it says that the state of this epoch is lost.
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
        let fence = Fence::default();
        assert!(matches!(fence.enter(), Err(StoreError::Fenced)));
        fence.open(Epoch(1));
        let first = fence.enter().unwrap();
        let busy: Result<(), StoreError> = Err(StoreError::Busy("full"));
        assert!(first.check(busy).is_err() && fence.epoch() == Some(Epoch(1)));
        fence.open(Epoch(2));
        let late: Result<(), PersistError> = Err(PersistError::EpochPassed);
        assert!(first.check(late).is_err() && fence.epoch() == Some(Epoch(2)));
        let lost: Result<(), PersistError> = Err(StoreError::Fenced.into());
        assert!(fence.enter().unwrap().check(lost).is_err() && fence.epoch().is_none());
    }
}
