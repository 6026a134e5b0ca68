//! Where it is decided who may buy what.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::application::fence::Epoch;
use crate::domain::stock::{CheckedOut, Holdings};
use crate::domain::{
    BuyNowRefusal, Cart, CartLine, CheckoutCode, CheckoutRefusal, LedgerEntry, LedgerId, Ordinal, PurchaseRefusal,
    Released, RemoveRefusal, RequestId, SaleId, Sold, Stock, UserId,
};

use super::{Declined, StoreError};

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

    /// Lets a sale end at `ends_at` if that is earlier than its end; never later. Idempotent.
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

    /// Makes this version's scripts known to a store that has forgotten nothing since recovery began the epoch,
    /// whichever version of the service did that. Does nothing where the store has forgotten.
    async fn join(&self, epoch: Epoch) -> Result<(), StoreError>;

    /// Makes the scripts of the epoch known to the store, whatever it holds.
    async fn load_scripts(&self, epoch: Epoch) -> Result<(), StoreError>;

    /// The state of the sale, or `None` where the store has none.
    async fn snapshot(&self, sale: SaleId) -> Result<Option<Snapshot>, StoreError>;

    /// Whether the store answers.
    async fn ping(&self) -> Result<(), StoreError>;
}
