//! The ports: the needs of the use cases. Their doc comments are contracts.
//!
//! They are split by user: deciding, following the ledger, restoring, archiving. [`Store`] and [`Archive`] bundle what
//! one adapter provides.
//!
//! Every call ends within seconds, also if the store has vanished: with [`StoreError::Busy`] if nothing was done, and with
//! [`StoreError::Unreachable`] if it may have been done.

mod archive;
mod attempts;
mod coordination;
mod decide;
mod inspect;
mod ledger;
mod lifecycle;
mod restore;
mod watermarks;

use async_trait::async_trait;

use crate::application::shared::StoreError;

pub use archive::*;
pub use attempts::*;
pub use coordination::*;
pub use decide::*;
pub use inspect::*;
pub use ledger::*;
pub use lifecycle::*;
pub use restore::*;
pub use watermarks::*;

/// Answers if the store behind it does.
#[async_trait]
pub trait Probe: Send + Sync {
    /// Asks the store for a sign of life.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// The store that decides.
pub trait Store: Decider + Ledger + Watermarks + AttemptLog + Lifecycle + Inspector + Restorer + Probe {}

impl<S: Decider + Ledger + Watermarks + AttemptLog + Lifecycle + Inspector + Restorer + Probe> Store for S {}

/// The durable truth.
pub trait Archive: SaleArchive + PurchaseArchive + LedgerArchive + AttemptArchive + Coordination + Probe {}

impl<A: SaleArchive + PurchaseArchive + LedgerArchive + AttemptArchive + Coordination + Probe> Archive for A {}

/// The part of the durable truth that requests read.
pub trait Reads: SaleArchive + PurchaseArchive {}

impl<A: SaleArchive + PurchaseArchive> Reads for A {}
