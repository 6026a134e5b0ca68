//! The log that everything else follows from.

use std::time::Duration;

use async_trait::async_trait;

use crate::application::shared::StoreError;
use crate::domain::sale::LedgerEntry;
use crate::domain::shared::{LedgerId, SaleId};

/// Reads the ledgers of sales.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Reads up to `max` entries after `after`, in order. An entry that cannot be read is
    /// [`Unreadable`](crate::domain::sale::LedgerEvent::Unreadable).
    async fn read(&self, sale: SaleId, after: LedgerId, max: usize) -> Result<Vec<LedgerEntry>, StoreError>;

    /// Reads the entry of this id.
    async fn read_one(&self, sale: SaleId, id: LedgerId) -> Result<Option<LedgerEntry>, StoreError>;

    /// Opens a reader that waits for entries on a connection of its own.
    async fn follow(&self, sale: SaleId) -> Result<Box<dyn LedgerReader>, StoreError>;
}

/// A reader that waits: see [`Ledger::follow`].
#[async_trait]
pub trait LedgerReader: Send {
    /// Reads up to `max` entries after `after`. Returns an empty list if none arrives within `timeout`.
    async fn next(&mut self, after: LedgerId, max: usize, timeout: Duration) -> Result<Vec<LedgerEntry>, StoreError>;
}
