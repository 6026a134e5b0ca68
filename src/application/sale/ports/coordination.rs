//! Agreement between instances.

use async_trait::async_trait;

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

/// Locks and epochs that all instances share.
#[async_trait]
pub trait Coordination: Send + Sync {
    /// Takes the lock. Returns `None` while another holder has it.
    async fn try_lock(&self, name: LockName) -> Result<Option<Box<dyn Lock>>, StoreError>;

    /// Reads the current epoch.
    async fn epoch(&self) -> Result<Epoch, StoreError>;

    /// Begins the next epoch. Once this returns, nothing of an older one can be archived.
    async fn raise_epoch(&self) -> Result<Epoch, StoreError>;
}
