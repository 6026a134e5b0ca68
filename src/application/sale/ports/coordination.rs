//! Agreement between instances.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::application::shared::StoreError;
use crate::domain::shared::{Epoch, SaleId};

/// A lock that one holder has at a time, over all instances. Dropping it releases it.
#[async_trait]
pub trait Lock: Send {
    /// Returns true while this holder still has it.
    async fn is_held(&mut self) -> bool;
}

/// The subject of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LockName {
    /// Writing the ledger of a sale to the archive.
    Writer(SaleId),
    /// Recovery of the store.
    Recovery,
}

/// Locks, epochs and a clock that all instances share.
#[async_trait]
pub trait Coordination: Send + Sync {
    /// Takes the lock. Returns `None` while another holder has it.
    async fn try_lock(&self, name: LockName) -> Result<Option<Box<dyn Lock>>, StoreError>;

    /// Reads the clock of the archive.
    async fn now(&self) -> Result<DateTime<Utc>, StoreError>;

    /// Begins an epoch of these sales, newer than all before and than `above`. Once this returns, nothing of their older
    /// epochs can be archived.
    async fn begin_epoch(&self, above: Epoch, sales: &[SaleId]) -> Result<Epoch, StoreError>;

    /// Records that the sales of this epoch are restored.
    async fn end_restoration(&self, epoch: Epoch) -> Result<(), StoreError>;
}
