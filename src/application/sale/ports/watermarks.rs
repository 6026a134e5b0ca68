//! Announcements of how far ledgers are archived.

use async_trait::async_trait;

use crate::application::shared::StoreError;
use crate::domain::shared::{Epoch, LedgerId, SaleId};

/// The progress of the archive with one sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watermark {
    pub sale: SaleId,
    /// The epoch of the ledger that it is about.
    pub epoch: Epoch,
    pub persisted: LedgerId,
    /// The entries archived last. Those that the archive has rejected may be among them.
    pub archived: Vec<LedgerId>,
    /// Entries of the sale that the archive has rejected so far.
    pub rejections: usize,
}

/// Announces watermarks to every instance.
#[async_trait]
pub trait Watermarks: Send + Sync {
    /// Announces a watermark. Best effort: an instance that misses it asks the archive.
    async fn announce(&self, watermark: Watermark) -> Result<(), StoreError>;

    /// Subscribes to the announcements of every instance, on a connection of its own.
    async fn subscribe(&self) -> Result<Box<dyn WatermarkSubscription>, StoreError>;
}

/// A stream of announcements: see [`Watermarks::subscribe`].
#[async_trait]
pub trait WatermarkSubscription: Send {
    /// Waits for the next watermark.
    async fn next(&mut self) -> Result<Watermark, StoreError>;
}
