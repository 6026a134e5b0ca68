//! The durable truth.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::application::fence::Epoch;
use crate::domain::{
    Catalog, CheckoutCode, LedgerEntry, LedgerId, Receipt, Released, RequestId, Sale, SaleId, SaleStatus, Sold, UserId,
};

use super::{Attempt, Decided, StoreError};

/// Why the archive refused an entry for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rejection {
    /// A unit of it is somebody's already: an oversell averted.
    UnitSold,
    /// A slot of its user is filled already: a limit kept.
    SlotFilled,
    /// It breaks another rule of the schema, or cannot be read.
    Invalid,
}

/// Why an entry was refused, with what the archive said about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refused {
    pub rejection: Rejection,
    pub reason: String,
}

/// Why a batch was not archived. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum PersistError {
    /// Somebody else archived entries after the given cursor.
    #[error("the cursor has moved")]
    CursorMoved,
    /// A newer epoch has begun.
    #[error("the epoch has passed")]
    EpochPassed,
    /// The archive holds a purchase of this ledger id already.
    #[error("the ledger id is archived already")]
    Duplicate,
    /// An entry of the batch is refused for itself.
    #[error("refused by the archive")]
    Rejected(#[source] Refused),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl PersistError {
    /// What to file an entry away with that cannot be archived.
    pub fn refused(self) -> Refused {
        match self {
            PersistError::Rejected(refused) => refused,
            error => Refused { rejection: Rejection::Invalid, reason: error.to_string() },
        }
    }
}

/// An entry that the archive refused, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub id: LedgerId,
    pub rejection: Rejection,
    /// Its units have been made free again in Redis.
    pub released: bool,
}

/// How far each log of a sale is archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursors {
    /// The epoch that it was when they were read.
    pub epoch: Epoch,
    pub ledger: LedgerId,
    pub attempts: LedgerId,
}

/// Which sales to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaleFilter {
    /// Not closed yet: something may still happen in them. All of them.
    Live,
    /// In this state at this time, the newest 1,000, latest start first.
    WithStatus(SaleStatus, DateTime<Utc>),
    /// The newest 1,000, latest start first.
    All,
}

/// A lock that one holder has at a time, over all instances. Dropping it gives it up.
#[async_trait]
pub trait Lock: Send {
    /// Whether it is still ours.
    async fn is_held(&mut self) -> bool;
}

/// What a lock protects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LockName {
    /// Writing the ledger of a sale to the archive.
    Writer(SaleId),
    /// Recovery of the store.
    Recovery,
}

/// A refused checkout, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RefusalKey {
    pub sale: SaleId,
    /// Seconds since the Unix epoch.
    pub second: i64,
    pub reason: &'static str,
}

/// What the archive says of a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Audit {
    /// Units sold.
    pub sold: u64,
    /// Units sold more than once, or beyond the stock of their item.
    pub oversold: u64,
    /// Users who own more than the limit.
    pub over_limit: u64,
    /// Purchases whose totals are not those of their units.
    pub wrong_totals: u64,
}

/// The durable truth, all of it.
pub trait Archive: SaleArchive + PurchaseArchive + LedgerArchive + Coordination {}

impl<A: SaleArchive + PurchaseArchive + LedgerArchive + Coordination> Archive for A {}

/// What all instances agree through.
#[async_trait]
pub trait Coordination: Send + Sync {
    /// Whether the archive answers.
    async fn ping(&self) -> Result<(), StoreError>;

    /// The lock, or `None` while somebody else has it.
    async fn try_lock(&self, name: LockName) -> Result<Option<Box<dyn Lock>>, StoreError>;

    /// The current epoch.
    async fn epoch(&self) -> Result<Epoch, StoreError>;

    /// Begins the next epoch: once this returns, nothing of an older one can be archived any more.
    async fn raise_epoch(&self) -> Result<Epoch, StoreError>;
}

/// Sales and what they sell.
#[async_trait]
pub trait SaleArchive: Send + Sync {
    /// Creates a sale with all its items, or nothing. `false` where its id, or the period of an hourly
    /// sale, is taken.
    async fn create_sale(&self, sale: &Sale, catalog: &Catalog) -> Result<bool, StoreError>;

    /// The sales that the filter lets through.
    async fn sales(&self, filter: SaleFilter) -> Result<Vec<Sale>, StoreError>;

    /// One sale.
    async fn sale(&self, id: SaleId) -> Result<Option<Sale>, StoreError>;

    /// The items of a sale that exists.
    async fn catalog(&self, sale: SaleId) -> Result<Catalog, StoreError>;

    /// Lets a sale end at `now` if that is earlier than its end, and returns the sale.
    async fn end_sale(&self, id: SaleId, now: DateTime<Utc>) -> Result<Option<Sale>, StoreError>;

    /// Notes that everything of an ended sale is archived.
    async fn close_sale(&self, id: SaleId) -> Result<(), StoreError>;
}

/// What has been bought.
#[async_trait]
pub trait PurchaseArchive: Send + Sync {
    /// The purchase made under a code.
    async fn sold_by_code(&self, code: CheckoutCode) -> Result<Option<Decided>, StoreError>;

    /// The purchase made by a user's request.
    async fn sold_by_request(
        &self,
        sale: SaleId,
        user: &UserId,
        request: &RequestId,
    ) -> Result<Option<Decided>, StoreError>;

    /// The receipts of the newest 100 purchases of a user, newest first.
    async fn receipts_of(&self, user: &UserId, sale: Option<SaleId>) -> Result<Vec<Receipt>, StoreError>;

    /// Every purchase of a sale, in the order of the ledger.
    async fn sold_in(&self, sale: SaleId) -> Result<Vec<Decided>, StoreError>;

    /// What the rules of the schema would have to have missed.
    async fn audit(&self, sale: SaleId) -> Result<Audit, StoreError>;
}

/// Where the logs of sales are copied to.
#[async_trait]
pub trait LedgerArchive: Send + Sync {
    /// How far the logs of the sale are archived.
    async fn cursors(&self, sale: SaleId) -> Result<Cursors, StoreError>;

    /// Archives the purchases among `entries`, which are all that the ledger has after `after`, up to the
    /// last of them, and moves the cursor there: all in one transaction, so each exactly once.
    async fn persist(
        &self,
        epoch: Epoch,
        catalog: &Catalog,
        sale: SaleId,
        after: LedgerId,
        entries: &[LedgerEntry],
    ) -> Result<(), PersistError>;

    /// Files one refused entry away and moves the cursor past it, in one transaction.
    async fn reject(
        &self,
        epoch: Epoch,
        sale: SaleId,
        after: LedgerId,
        entry: &LedgerEntry,
        refused: &Refused,
    ) -> Result<(), PersistError>;

    /// The refused entries of a sale, oldest first.
    async fn rejections(&self, sale: SaleId) -> Result<Vec<DeadLetter>, StoreError>;

    /// What there is to release of a refused purchase: those of its units that nobody owns.
    async fn unowned(&self, sale: SaleId, id: LedgerId, sold: &Sold) -> Result<Released, StoreError>;

    /// Notes that the units of a refused entry are free again.
    async fn mark_released(&self, sale: SaleId, id: LedgerId) -> Result<(), StoreError>;

    /// Archives attempts, and moves their cursor from `after` to `last`.
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
