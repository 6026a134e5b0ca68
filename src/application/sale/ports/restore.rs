//! Checking and restoring the state of the store that decides.

use async_trait::async_trait;

use crate::application::shared::StoreError;
use crate::domain::sale::Stock;
use crate::domain::shared::{Epoch, LedgerId, SaleId};

/// Checks the state of the store and replaces what it lost.
#[async_trait]
pub trait Restorer: Send + Sync {
    /// Returns true if the store has written one history since the epoch began, holds the scripts of the epoch and, for
    /// each sale, its state of that epoch with a ledger that has the last archived entry.
    async fn is_intact(&self, epoch: Epoch, sales: &[(SaleId, LedgerId)]) -> Result<bool, StoreError>;

    /// Makes a sale undecidable in every epoch until it is restored.
    async fn fence(&self, sale: SaleId) -> Result<(), StoreError>;

    /// Replaces the state of a fenced sale and lifts the fence. Later entries get ids above `persisted` and
    /// `attempts`. Existing carts stay.
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
