//! Decisions about carts and purchases.

use async_trait::async_trait;

use crate::application::shared::StoreError;
use crate::domain::sale::{
    BuyNowRefusal, Cart, CartLine, Catalog, CheckoutRefusal, Purchase, PurchaseRefusal, Release, ReleaseRefusal,
    RemoveRefusal,
};
use crate::domain::shared::{CheckoutCode, Claim, Epoch, LedgerId, Ordinal, RequestId, SaleId, UserId};

/// A purchase that the ledger holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedPurchase {
    pub id: LedgerId,
    pub purchase: Purchase,
    /// The ledger held it before this call.
    pub replayed: bool,
}

/// The meaning of a checkout code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Cart(Cart),
    Purchase(RecordedPurchase),
}

/// An operation that the rules refused, or that could not be decided.
#[derive(Debug)]
pub enum DecideError<Refusal> {
    Refused(Refusal),
    Failed(StoreError),
}

impl<Refusal> From<StoreError> for DecideError<Refusal> {
    fn from(error: StoreError) -> Self {
        DecideError::Failed(error)
    }
}

/// The id of the ledger entry of a release, or its refusal.
pub type Released = Result<LedgerId, ReleaseRefusal>;

/// The decisions of [`Stock`](crate::domain::sale::Stock), made atomically by the holder of a sale's state.
///
/// Each call is one round trip, decides by the clock of the store, and does everything or nothing. Each belongs to an
/// epoch: a store that holds the state of another answers [`StoreError::Fenced`]. A refusal consumes nothing. Calls
/// may be repeated: the same code or request id has one outcome. The store keeps no catalog: the caller passes that of the
/// sale.
#[async_trait]
pub trait Decider: Send + Sync {
    /// Decides [`Stock::checkout`](crate::domain::sale::Stock::checkout). An attempt that changes the cart is appended
    /// to the attempts of the sale. Fails with `Busy` when too many of them wait for the archive.
    async fn checkout(
        &self,
        epoch: Epoch,
        catalog: &Catalog,
        user: &UserId,
        new_code: CheckoutCode,
        wanted: &[CartLine],
    ) -> Result<Cart, DecideError<CheckoutRefusal>>;

    /// Decides [`Stock::remove`](crate::domain::sale::Stock::remove).
    async fn remove(
        &self,
        epoch: Epoch,
        code: CheckoutCode,
        ordinal: Ordinal,
    ) -> Result<Cart, DecideError<RemoveRefusal>>;

    /// Decides [`Stock::purchase`](crate::domain::sale::Stock::purchase) and appends it to the ledger in the same step.
    async fn purchase(
        &self,
        epoch: Epoch,
        claim: &Claim,
        partial: bool,
    ) -> Result<RecordedPurchase, DecideError<PurchaseRefusal>>;

    /// Decides [`Stock::buy_now`](crate::domain::sale::Stock::buy_now) and appends it to the ledger in the same step.
    async fn buy_now(
        &self,
        epoch: Epoch,
        catalog: &Catalog,
        request: (&UserId, &RequestId),
        new_code: CheckoutCode,
        wanted: CartLine,
    ) -> Result<RecordedPurchase, DecideError<BuyNowRefusal>>;

    /// Looks up a code. Returns `None` for one that nobody has.
    async fn find(&self, epoch: Epoch, code: CheckoutCode) -> Result<Option<Found>, StoreError>;

    /// Looks up the purchase that a user's request made.
    async fn find_request(
        &self,
        epoch: Epoch,
        sale: SaleId,
        user: &UserId,
        request: &RequestId,
    ) -> Result<Option<RecordedPurchase>, StoreError>;

    /// Decides [`Stock::release`](crate::domain::sale::Stock::release) for each of these, frees what they name, and appends
    /// them to the ledger in the same step. Returns the id of the entry of each.
    async fn release_all(&self, epoch: Epoch, sale: SaleId, releases: &[Release]) -> Result<Vec<Released>, StoreError>;

    /// Does the same for one.
    async fn release(
        &self,
        epoch: Epoch,
        sale: SaleId,
        release: &Release,
    ) -> Result<LedgerId, DecideError<ReleaseRefusal>> {
        let released = self.release_all(epoch, sale, std::slice::from_ref(release)).await?.pop();
        let released = released.ok_or_else(|| StoreError::corrupt("a release without an answer"))?;
        released.map_err(DecideError::Refused)
    }
}
