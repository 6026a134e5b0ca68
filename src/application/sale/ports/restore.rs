//! Checking and restoring the state of the store that decides.

use async_trait::async_trait;

use crate::application::shared::StoreError;
use crate::domain::sale::Stock;
use crate::domain::shared::{Epoch, LedgerId, SaleId};

/// The state of a sale in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredSale {
    /// The epoch of its state; `None` if it has none, or is being restored.
    pub epoch: Option<Epoch>,
    /// The store has forgotten nothing since that epoch of the sale began: it knows the scripts of the epoch, and still
    /// writes the same history. A replica that becomes the primary writes another one: it may lack the last writes of the
    /// old primary, although it has everything else.
    pub is_remembered: bool,
    /// The ledger has the entry that was archived last.
    pub has_archived: bool,
}

impl StoredSale {
    /// Returns true if the store may decide in this epoch.
    pub fn is_intact(&self, epoch: Epoch) -> bool {
        self.epoch == Some(epoch) && self.is_remembered && self.has_archived
    }
}

/// Checks the state of the store and replaces what it lost.
#[async_trait]
pub trait Restorer: Send + Sync {
    /// Returns what the store holds of a sale that should be in this epoch, and whose last archived entry is `archived`.
    async fn stored(&self, epoch: Epoch, sale: SaleId, archived: LedgerId) -> Result<StoredSale, StoreError>;

    /// Returns the name of the history that the store writes. It changes when the store may have lost something.
    async fn history(&self) -> Result<String, StoreError>;

    /// Makes a sale undecidable in every epoch until it is restored in this one or a newer one. Fails with
    /// [`StoreError::Fenced`] if a newer one has begun.
    async fn fence(&self, epoch: Epoch, sale: SaleId) -> Result<(), StoreError>;

    /// Replaces the state of a sale that was fenced in this epoch, and lifts the fence. Later entries get ids above
    /// `persisted` and `attempts`. Existing carts stay. Fails with [`StoreError::Fenced`], and writes nothing more, once
    /// a newer epoch has begun.
    async fn restore(
        &self,
        epoch: Epoch,
        stock: &Stock,
        persisted: LedgerId,
        attempts: LedgerId,
    ) -> Result<(), StoreError>;

    /// Loads this version's scripts into a store that has lost nothing since the epoch began, whichever version of the
    /// service began it. Does nothing if the store has lost its state.
    async fn join(&self, epoch: Epoch) -> Result<(), StoreError>;

    /// Loads the scripts of the epoch, whatever the store holds.
    async fn load_scripts(&self, epoch: Epoch) -> Result<(), StoreError>;
}
