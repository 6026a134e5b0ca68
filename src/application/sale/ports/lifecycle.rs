//! The life of a sale in the store that decides.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::application::shared::StoreError;
use crate::domain::sale::{Sale, Stock};
use crate::domain::shared::{Epoch, SaleId};

/// Opens and ends sales in the store that decides.
#[async_trait]
pub trait Lifecycle: Send + Sync {
    /// Reads the clock that decides when a sale is open.
    async fn now(&self) -> Result<DateTime<Utc>, StoreError>;

    /// Creates the state of a sale, complete, in one step. Does nothing if the sale exists.
    async fn open(&self, epoch: Epoch, stock: &Stock) -> Result<(), StoreError>;

    /// Moves the end of a sale to `ends_at` if that is earlier, never later. Idempotent.
    async fn end(&self, epoch: Epoch, sale: SaleId, ends_at: DateTime<Utc>) -> Result<(), StoreError>;

    /// Refuses releases of committed purchases from now on, so that an ended sale gets no more of them. Idempotent.
    async fn seal(&self, epoch: Epoch, sale: SaleId) -> Result<(), StoreError>;

    /// Forgets the idle carts and makes all others idle, if that was last done `idle` ago or if `crowd` users have checked
    /// out since: see [`Stock::forget_idle_carts`]. Idempotent.
    async fn forget_idle_carts(&self, epoch: Epoch, sale: &Sale, idle: Duration, crowd: u32) -> Result<(), StoreError>;

    /// Drops the carts of a completely archived sale, and sets the time at which the rest may be dropped. Idempotent.
    async fn retire(&self, sale: SaleId, expires_at: DateTime<Utc>) -> Result<(), StoreError>;

    /// Drops the state of some retired sales whose time has come, without holding up the store.
    async fn drop_retired(&self, now: DateTime<Utc>) -> Result<(), StoreError>;
}
