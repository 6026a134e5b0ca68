//! Whether this instance may decide anything, and in which epoch.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::sync::Notify;

/// Which recovery the state of Redis comes from. Kept in PostgreSQL, raised by each recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(pub i64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Open in an epoch, or closed until recovery has made sure of Redis.
#[derive(Debug, Default)]
pub struct Fence {
    /// Zero while closed; epochs begin at one.
    epoch: AtomicI64,
    tripped: Notify,
}

impl Fence {
    /// The epoch to work in, or `None` while recovery is at work.
    pub fn epoch(&self) -> Option<Epoch> {
        match self.epoch.load(Ordering::Acquire) {
            0 => None,
            epoch => Some(Epoch(epoch)),
        }
    }

    /// Lets decisions through, in this epoch.
    pub fn open(&self, epoch: Epoch) {
        self.epoch.store(epoch.0, Ordering::Release);
    }

    /// Closes the fence because Redis turned out not to hold the state of `epoch`, and wakes recovery.
    /// Does nothing if another epoch has begun since. Returns whether it closed.
    pub fn trip(&self, epoch: Epoch) -> bool {
        let closed = self.epoch.compare_exchange(epoch.0, 0, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if closed {
            self.tripped.notify_one();
        }
        closed
    }

    /// Waits until somebody trips the fence.
    pub async fn tripped(&self) {
        self.tripped.notified().await;
    }
}
