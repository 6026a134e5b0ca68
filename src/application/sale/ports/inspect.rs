//! Reading the state of the store that decides, page by page.

use async_trait::async_trait;

use crate::application::shared::StoreError;
use crate::domain::sale::{Holdings, Sale};
use crate::domain::shared::SaleId;

/// The kinds of holdings, in the order in which a scan returns them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HoldingKind {
    #[default]
    Units,
    Slots,
    /// Receipts and requests.
    Receipts,
    Released,
}

/// A place in a scan. The default is its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScanPosition {
    pub kind: HoldingKind,
    pub cursor: u64,
}

impl ScanPosition {
    /// Returns the beginning of the next kind; `None` after the last.
    pub fn next_kind(self) -> Option<Self> {
        let kind = match self.kind {
            HoldingKind::Units => HoldingKind::Slots,
            HoldingKind::Slots => HoldingKind::Receipts,
            HoldingKind::Receipts => HoldingKind::Released,
            HoldingKind::Released => return None,
        };
        Some(ScanPosition { kind, cursor: 0 })
    }
}

/// A page of holdings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScanPage {
    pub holdings: Holdings,
    /// Fields that cannot be read.
    pub unreadable: u64,
    /// The place of the next page; `None` after the last one.
    pub next: Option<ScanPosition>,
}

/// Reads the state of a sale without holding up the store: no call reads a whole sale.
#[async_trait]
pub trait Inspector: Send + Sync {
    /// Returns true if the store holds the state of the sale and may decide.
    async fn has_state(&self, sale: SaleId) -> Result<bool, StoreError>;

    /// Returns true if the store decides by the window and the limit of this sale, and its ledger goes on where it ends. May
    /// return false by mistake while the store changes that.
    async fn decides_as(&self, sale: &Sale) -> Result<bool, StoreError>;

    /// Reads what the store holds of this: the units and slots among these, and the ledger ids of these receipts, requests
    /// and releases, which may be others. A value that cannot be read is not held.
    async fn held(&self, sale: SaleId, of: &Holdings) -> Result<Holdings, StoreError>;

    /// Reads one page of everything that the store holds. What is there from the beginning to the end of a scan is on
    /// some page; what comes or goes meanwhile may be.
    async fn scan(&self, sale: SaleId, from: ScanPosition) -> Result<ScanPage, StoreError>;
}
