//! The durable truth.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::application::shared::StoreError;
use crate::domain::sale::{Catalog, Holdings, LedgerEntry, Purchase, Receipt, Release, Sale, SaleStatus};
use crate::domain::shared::{CheckoutCode, Epoch, LedgerId, OrderId, RequestId, SaleId, UserId};

use super::{Attempt, RecordedPurchase};

/// The reason for which the archive rejects a ledger entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum RejectionReason {
    /// One of its units is sold already: an oversell averted.
    UnitSold,
    /// One of its user's slots is filled already: a limit kept.
    SlotFilled,
    /// It breaks another rule of the schema, or cannot be read.
    Invalid,
}

/// A rejected ledger entry, with the archive's own message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Rejection {
    pub reason: RejectionReason,
    pub message: String,
}

/// A batch that was not archived. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum PersistError {
    /// Another writer archived entries after the given cursor.
    #[error("the cursor has moved")]
    CursorMoved,
    /// A newer epoch has begun.
    #[error("the epoch has passed")]
    EpochPassed,
    /// The archive already holds a purchase of this ledger id.
    #[error("the ledger id is archived already")]
    Duplicate,
    /// An entry of the batch is rejected for itself.
    #[error("rejected by the archive")]
    Rejected(#[source] Rejection),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl PersistError {
    /// The rejection to file for an entry that cannot be archived.
    pub fn rejection(self) -> Rejection {
        match self {
            PersistError::Rejected(rejection) => rejection,
            error => Rejection { reason: RejectionReason::Invalid, message: error.to_string() },
        }
    }
}

/// A ledger entry that the archive rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedEntry {
    pub id: LedgerId,
    /// Its units are free again in the store.
    pub released: bool,
}

/// The progress of the archive with each log of a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursors {
    /// The epoch of the ledger.
    pub epoch: Epoch,
    /// The sale is being restored in that epoch.
    pub is_restoring: bool,
    pub ledger: LedgerId,
    pub attempts: LedgerId,
}

/// A selection of sales.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaleFilter {
    /// All sales that are not closed: something may still happen in them.
    Live,
    /// One page of a list, latest start first.
    Page(SalePage),
}

/// A page of sales, latest start first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SalePage {
    /// Only sales in this state at this time.
    pub status: Option<(SaleStatus, DateTime<Utc>)>,
    /// Only sales that follow this one in the list.
    pub after: Option<SaleId>,
    pub limit: usize,
}

/// A page of a user's purchases, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PurchasePage {
    /// Only purchases in this sale.
    pub sale: Option<SaleId>,
    /// Only purchases in sales with a payment window.
    pub only_orders: bool,
    /// Only purchases that follow this one in the list.
    pub after: Option<OrderId>,
    pub limit: usize,
}

/// The units that a sale sold in a minute, less those that came back in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinuteSold {
    pub begins_at: DateTime<Utc>,
    pub units: i64,
}

/// A count of refused checkouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RefusalKey {
    pub sale: SaleId,
    /// Seconds since the Unix epoch.
    pub second: i64,
    pub reason: &'static str,
}

/// The findings of the archive about its own rows of a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ArchiveFindings {
    /// Units sold and not released.
    pub sold: u64,
    /// Units sold more than once, or beyond the stock of their item.
    pub oversold: u64,
    /// Users who own more than the limit.
    pub over_limit: u64,
    /// Purchases that have more or fewer units, released or not, than they were written with.
    pub wrong_totals: u64,
}

impl ArchiveFindings {
    /// Returns true if the archive breaks no rule.
    pub fn is_sound(&self) -> bool {
        (self.oversold, self.over_limit, self.wrong_totals) == (0, 0, 0)
    }
}

/// Sales and their items.
#[async_trait]
pub trait SaleArchive: Send + Sync {
    /// Creates a sale with all its items, or nothing. Returns `false` if its id, or the period of an hourly sale, is
    /// taken.
    async fn create_sale(&self, sale: &Sale, catalog: &Catalog) -> Result<bool, StoreError>;

    /// Lists sales.
    async fn sales(&self, filter: SaleFilter) -> Result<Vec<Sale>, StoreError>;

    /// Reads one sale.
    async fn sale(&self, id: SaleId) -> Result<Option<Sale>, StoreError>;

    /// Reads the items of an existing sale.
    async fn catalog(&self, sale: SaleId) -> Result<Catalog, StoreError>;

    /// Ends a sale at `now` if that is earlier than its end, and returns the sale.
    async fn end_sale(&self, id: SaleId, now: DateTime<Utc>) -> Result<Option<Sale>, StoreError>;

    /// Returns true if every order of the sale is final, and the stock of those that were not paid is returned.
    async fn is_settled(&self, id: SaleId) -> Result<bool, StoreError>;

    /// Marks an ended sale as completely archived.
    async fn close_sale(&self, id: SaleId) -> Result<(), StoreError>;
}

/// Purchases.
#[async_trait]
pub trait PurchaseArchive: Send + Sync {
    /// Reads the purchase made with a code.
    async fn purchase_by_code(&self, code: CheckoutCode) -> Result<Option<RecordedPurchase>, StoreError>;

    /// Reads the purchase made by a user's request.
    async fn purchase_by_request(
        &self,
        sale: SaleId,
        user: &UserId,
        request: &RequestId,
    ) -> Result<Option<RecordedPurchase>, StoreError>;

    /// Reads purchases by their ledger ids. Those that do not exist are missing in the answer.
    async fn purchases(&self, sale: SaleId, ids: &[LedgerId]) -> Result<Vec<RecordedPurchase>, StoreError>;

    /// Reads a page of a user's receipts, newest first.
    async fn receipts_of(&self, user: &UserId, page: PurchasePage) -> Result<Vec<Receipt>, StoreError>;

    /// Reads the first `max` purchases, released or not, and releases of a sale after `after`, in the order of the ledger.
    async fn entries_in(&self, sale: SaleId, after: LedgerId, max: usize) -> Result<Vec<LedgerEntry>, StoreError>;

    /// Counts the units that a sale sold in each minute in which it sold some, without those that came back then, in order.
    /// Reads all purchases of the sale.
    async fn sold_by_minute(&self, sale: SaleId) -> Result<Vec<MinuteSold>, StoreError>;

    /// Reads what the archive holds of this: the sold units and filled slots among these, and the ledger ids of these
    /// receipts, requests and releases, which may be others.
    async fn held(&self, sale: SaleId, of: &Holdings) -> Result<Holdings, StoreError>;

    /// Checks the rows of a sale against the rules of the schema. Takes minutes at most, since it reads all of them.
    async fn check(&self, sale: SaleId) -> Result<ArchiveFindings, StoreError>;
}

/// The copy of the ledgers.
#[async_trait]
pub trait LedgerArchive: Send + Sync {
    /// Reads how far the logs of the sale are archived.
    async fn cursors(&self, sale: SaleId) -> Result<Cursors, StoreError>;

    /// Archives the releases and then the purchases among `entries`, and moves the cursor to the last of them, in one
    /// transaction. `entries` are all that the ledger has between `after` and the last of them, so each is applied exactly
    /// once. None of them releases a purchase that is among them.
    async fn persist(
        &self,
        epoch: Epoch,
        sale: SaleId,
        after: LedgerId,
        entries: &[LedgerEntry],
    ) -> Result<(), PersistError>;

    /// Files one rejected entry and moves the cursor past it, in one transaction.
    async fn reject(
        &self,
        epoch: Epoch,
        sale: SaleId,
        after: LedgerId,
        entry: &LedgerEntry,
        rejection: &Rejection,
    ) -> Result<(), PersistError>;

    /// Reads the rejected entries of a sale, oldest first.
    async fn rejections(&self, sale: SaleId) -> Result<Vec<RejectedEntry>, StoreError>;

    /// Returns the units and slots of a rejected purchase that nobody owns.
    async fn unowned(&self, sale: SaleId, id: LedgerId, purchase: &Purchase) -> Result<Release, StoreError>;

    /// Adds the words of an operator to an archived release.
    async fn note_release(&self, sale: SaleId, release: LedgerId, note: &str) -> Result<(), StoreError>;

    /// Marks the units of a rejected entry as free again.
    async fn mark_released(&self, sale: SaleId, id: LedgerId) -> Result<(), StoreError>;
}

/// The copy of the checkout attempts.
#[async_trait]
pub trait AttemptArchive: Send + Sync {
    /// Archives attempts and moves their cursor from `after` to `last`, in one transaction.
    async fn persist_attempts(
        &self,
        sale: SaleId,
        after: LedgerId,
        last: LedgerId,
        attempts: &[Attempt],
    ) -> Result<(), PersistError>;

    /// Adds to the counts of refused checkouts.
    async fn add_refusals(&self, counts: &[(RefusalKey, u64)]) -> Result<(), StoreError>;
}
