//! The log that everything else follows from.

use std::time::Duration;

use async_trait::async_trait;

use crate::application::fence::Epoch;
use crate::domain::{CartLine, CheckoutCode, LedgerEntry, LedgerId, SaleId, UserId};

use super::StoreError;

/// An accepted checkout, as it waits to be archived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub id: LedgerId,
    pub code: CheckoutCode,
    pub user: UserId,
    pub lines: Vec<CartLine>,
}

/// Attempts read from the log.
#[derive(Debug, Clone, Default)]
pub struct Attempts {
    /// Those that could be read.
    pub readable: Vec<Attempt>,
    /// The id of the last one, readable or not; `None` where there is none.
    pub last: Option<LedgerId>,
    /// How many there are, readable or not.
    pub count: usize,
}

/// How far the archive has got with a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermark {
    pub sale: SaleId,
    /// Of which ledger it tells.
    pub epoch: Epoch,
    pub persisted: LedgerId,
    /// How many entries of the sale the archive has refused so far.
    pub rejections: usize,
}

/// The logs of sales, and the news about how far they are archived.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Up to `max` entries after `after`, in order; an entry that cannot be read is
    /// [`Unreadable`](crate::domain::LedgerEvent::Unreadable).
    async fn read(&self, sale: SaleId, after: LedgerId, max: usize) -> Result<Vec<LedgerEntry>, StoreError>;

    /// The entry of this id.
    async fn read_one(&self, sale: SaleId, id: LedgerId) -> Result<Option<LedgerEntry>, StoreError>;

    /// A reader that waits for entries, on a connection of its own.
    async fn follow(&self, sale: SaleId) -> Result<Box<dyn LedgerReader>, StoreError>;

    /// Up to `max` attempts after `after`, in order.
    async fn read_attempts(&self, sale: SaleId, after: LedgerId, max: usize) -> Result<Attempts, StoreError>;

    /// How many attempts have not been forgotten yet.
    async fn count_attempts(&self, sale: SaleId) -> Result<usize, StoreError>;

    /// Forgets attempts up to and including `archived`.
    async fn trim_attempts(&self, sale: SaleId, archived: LedgerId) -> Result<(), StoreError>;

    /// Tells every instance. Best effort: who misses it asks the archive.
    async fn announce(&self, watermark: Watermark) -> Result<(), StoreError>;

    /// The news from every instance, on a connection of its own.
    async fn news(&self) -> Result<Box<dyn News>, StoreError>;
}

/// See [`Ledger::follow`].
#[async_trait]
pub trait LedgerReader: Send {
    /// Entries after `after`; an empty list when none came within `patience`.
    async fn next(&mut self, after: LedgerId, max: usize, patience: Duration) -> Result<Vec<LedgerEntry>, StoreError>;
}

/// See [`Ledger::news`].
#[async_trait]
pub trait News: Send {
    /// Waits for the next watermark.
    async fn next(&mut self) -> Result<Watermark, StoreError>;
}
