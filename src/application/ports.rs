//! What the use cases need of the outside world. The doc comments are the contracts.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::domain::stock::{CheckedOut, Holdings};
use crate::domain::{
    BuyNowRefusal, Cart, CartLine, Catalog, CheckoutCode, CheckoutRefusal, LedgerEntry, LedgerId, Ordinal,
    PurchaseRefusal, Receipt, Released, RemoveRefusal, RequestId, Sale, SaleId, SaleStatus, Sold, Stock, UserId,
};

use super::fence::Epoch;

/// Why a store did not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Redis does not hold the state of this epoch. Nothing was done.
    #[error("Redis does not hold the state of the current epoch")]
    Fenced,
    /// A bound is reached. Nothing was done.
    #[error("{0}")]
    Busy(&'static str),
    /// No answer. Whether the operation happened is not known.
    #[error("the store did not answer")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An answer that no version of this service gives. Whether the operation happened is not known.
    #[error("the store answered something unreadable: {0}")]
    Corrupt(String),
}

/// An operation that was refused by the rules, or could not be decided.
#[derive(Debug)]
pub enum Declined<Refusal> {
    Refused(Refusal),
    Failed(StoreError),
}

impl<Refusal> From<StoreError> for Declined<Refusal> {
    fn from(error: StoreError) -> Self {
        Declined::Failed(error)
    }
}

/// A purchase that the ledger holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    pub id: LedgerId,
    pub sold: Sold,
    /// It was in the ledger before this call.
    pub replayed: bool,
}

/// What a checkout code stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Cart(Cart),
    Sold(Decided),
}

/// The decisions of [`Stock`], made atomically by whoever holds the state of the sale.
///
/// Each call is one round trip, decides by the clock of the store, and either does everything or nothing.
/// Refusals consume nothing. Calls may be repeated: the same code or request id has one outcome.
#[async_trait]
pub trait StockStore: Send + Sync {
    /// [`Stock::checkout`]. An attempt that changes the cart is appended to the attempts of the sale;
    /// `Busy` when too many of them wait to be written to the archive.
    async fn checkout(
        &self,
        user: &UserId,
        new_code: CheckoutCode,
        wanted: &[CartLine],
    ) -> Result<CheckedOut, Declined<CheckoutRefusal>>;

    /// [`Stock::remove`].
    async fn remove(&self, code: CheckoutCode, ordinal: Ordinal) -> Result<Cart, Declined<RemoveRefusal>>;

    /// [`Stock::purchase`], appended to the ledger in the same step.
    async fn purchase(&self, code: CheckoutCode, partial: bool) -> Result<Decided, Declined<PurchaseRefusal>>;

    /// [`Stock::buy_now`], appended to the ledger in the same step.
    async fn buy_now(
        &self,
        user: &UserId,
        request: &RequestId,
        new_code: CheckoutCode,
        wanted: CartLine,
    ) -> Result<Decided, Declined<BuyNowRefusal>>;

    /// What the code stands for; `None` where nobody has it.
    async fn find(&self, code: CheckoutCode) -> Result<Option<Found>, StoreError>;

    /// What this user's request of this name bought, if anything.
    async fn find_request(
        &self,
        sale: SaleId,
        user: &UserId,
        request: &RequestId,
    ) -> Result<Option<Decided>, StoreError>;

    /// Undoes a purchase that the archive refused: see [`LedgerEvent::Released`](crate::domain::LedgerEvent).
    /// Idempotent.
    async fn release(&self, sale: SaleId, released: &Released) -> Result<(), StoreError>;
}

/// The state of one sale as the store holds it, read in one step.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub holdings: Holdings,
    pub ledger: Vec<LedgerEntry>,
}

/// The life of sales in the store that decides.
#[async_trait]
pub trait SaleStore: Send + Sync {
    /// The clock that decides whether a sale is open.
    async fn now(&self) -> Result<DateTime<Utc>, StoreError>;

    /// Creates the state of a sale, complete, in one step. Does nothing where it exists.
    async fn open(&self, epoch: Epoch, stock: &Stock) -> Result<(), StoreError>;

    /// Moves the end of a sale forward in time to `ends_at`; never back. Idempotent.
    async fn end(&self, sale: SaleId, ends_at: DateTime<Utc>) -> Result<(), StoreError>;

    /// Lets the state of a sale, of which everything is archived, expire at that time. Idempotent.
    async fn retire(&self, sale: SaleId, expires_at: DateTime<Utc>) -> Result<(), StoreError>;

    /// Whether the store holds the scripts of the epoch and, for each sale, its state of that epoch with
    /// a ledger that reaches at least as far as what is archived of it.
    async fn is_intact(&self, epoch: Epoch, sales: &[(SaleId, LedgerId)]) -> Result<bool, StoreError>;

    /// Makes a sale undecidable until it is restored, in every epoch.
    async fn fence(&self, sale: SaleId) -> Result<(), StoreError>;

    /// Replaces the state of a fenced sale, up to and including the header that lifts the fence. Entries
    /// appended later get ids above `persisted` and `attempts`. Carts that exist stay.
    async fn restore(
        &self,
        epoch: Epoch,
        stock: &Stock,
        persisted: LedgerId,
        attempts: LedgerId,
    ) -> Result<(), StoreError>;

    /// Makes the scripts of the epoch known to the store, whatever it holds.
    async fn load_scripts(&self, epoch: Epoch) -> Result<(), StoreError>;

    /// The state of the sale, or `None` where the store has none.
    async fn snapshot(&self, sale: SaleId) -> Result<Option<Snapshot>, StoreError>;

    /// Whether the store answers.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// An accepted checkout, as it waits to be archived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub id: LedgerId,
    pub code: CheckoutCode,
    pub user: UserId,
    pub lines: Vec<CartLine>,
}

/// How far the archive has got with a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermark {
    pub sale: SaleId,
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
    async fn read_attempts(&self, sale: SaleId, after: LedgerId, max: usize) -> Result<Vec<Attempt>, StoreError>;

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

/// Why a batch was not archived. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum PersistError {
    /// Somebody else archived entries after the given cursor.
    #[error("the cursor has moved")]
    CursorMoved,
    /// A newer epoch has begun.
    #[error("the epoch has passed")]
    EpochPassed,
    /// The archive holds this very purchase already.
    #[error("the purchase is archived already")]
    Duplicate,
    /// An entry of the batch is refused for itself.
    #[error("refused by the archive: {1}")]
    Rejected(Rejection, String),
    #[error(transparent)]
    Store(#[from] StoreError),
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursors {
    pub ledger: LedgerId,
    pub attempts: LedgerId,
}

/// Which sales to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaleFilter {
    /// Not closed yet: something may still happen in them.
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

/// The durable truth.
#[async_trait]
pub trait Archive: Send + Sync {
    /// Whether the archive answers.
    async fn ping(&self) -> Result<(), StoreError>;

    /// The lock, or `None` while somebody else has it.
    async fn try_lock(&self, name: LockName) -> Result<Option<Box<dyn Lock>>, StoreError>;

    /// The current epoch.
    async fn epoch(&self) -> Result<Epoch, StoreError>;

    /// Begins the next epoch: once this returns, nothing of an older one can be archived any more.
    async fn raise_epoch(&self) -> Result<Epoch, StoreError>;

    /// Creates a sale with all its items, or nothing. `false` where its id, or the period of an hourly
    /// sale, is taken.
    async fn create_sale(&self, sale: &Sale, catalog: &Catalog) -> Result<bool, StoreError>;

    /// The sales that the filter lets through.
    async fn sales(&self, filter: SaleFilter) -> Result<Vec<Sale>, StoreError>;

    /// One sale.
    async fn sale(&self, id: SaleId) -> Result<Option<Sale>, StoreError>;

    /// The items of a sale that exists.
    async fn catalog(&self, sale: SaleId) -> Result<Catalog, StoreError>;

    /// Moves the end of a sale forward in time to `now`, and returns the sale; never back.
    async fn end_sale(&self, id: SaleId, now: DateTime<Utc>) -> Result<Option<Sale>, StoreError>;

    /// Notes that everything of an ended sale is archived.
    async fn close_sale(&self, id: SaleId) -> Result<(), StoreError>;

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
        rejection: Rejection,
        reason: &str,
    ) -> Result<(), PersistError>;

    /// The refused entries of a sale, oldest first.
    async fn rejections(&self, sale: SaleId) -> Result<Vec<DeadLetter>, StoreError>;

    /// What there is to release of a refused purchase: those of its units that nobody owns.
    async fn unowned(&self, sale: SaleId, id: LedgerId, sold: &Sold) -> Result<Released, StoreError>;

    /// Notes that the units of a refused entry are free again.
    async fn mark_released(&self, sale: SaleId, id: LedgerId) -> Result<(), StoreError>;

    /// Archives attempts, and moves their cursor from `after` to the last of them.
    async fn persist_attempts(&self, sale: SaleId, after: LedgerId, attempts: &[Attempt]) -> Result<(), PersistError>;

    /// Adds to the counts of refused checkouts.
    async fn add_refusals(&self, counts: &[(RefusalKey, u64)]) -> Result<(), StoreError>;

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
