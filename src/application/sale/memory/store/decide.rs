//! The decisions.

use async_trait::async_trait;

use crate::application::sale::ports::{Attempt, DecideError, Decider, Found, RecordedPurchase, Released};
use crate::application::shared::StoreError;
use crate::domain::sale::{
    BuyNowRefusal, Cart, CartLine, Catalog, CheckoutRefusal, Decision, LedgerEntry, LedgerEvent, PurchaseRefusal,
    Release, RemoveRefusal,
};
use crate::domain::shared::limits::{ATTEMPTS_BACKLOG_MAX, RECENT_CARTS_MAX};
use crate::domain::shared::{CheckoutCode, Claim, Epoch, LedgerId, Ordinal, RequestId, SaleId, UserId};

use super::{MemoryStore, SaleState, State, StoreCall};

#[async_trait]
impl Decider for MemoryStore {
    async fn checkout(
        &self,
        epoch: Epoch,
        _catalog: &Catalog,
        user: &UserId,
        new_code: CheckoutCode,
        wanted: &[CartLine],
    ) -> Result<Cart, DecideError<CheckoutRefusal>> {
        self.run(StoreCall::Checkout, |state| {
            let now = state.now;
            let sale = state.in_epoch(epoch, new_code.sale)?;
            let (carts, codes) = (sale.stock.carts.clone(), sale.stock.codes.clone());
            let (idle, recent) = (sale.stock.idle.clone(), sale.stock.recent_carts());
            let cart = sale.stock.checkout(now, user, new_code, wanted).map_err(DecideError::Refused)?;
            if carts.get(&cart.code) == Some(&cart) {
                return Ok(cart);
            }
            let is_new = !carts.contains_key(&cart.code);
            let busy = if is_new && recent >= RECENT_CARTS_MAX as usize {
                Some("too many carts are open in this sale")
            } else if sale.attempts.len() >= ATTEMPTS_BACKLOG_MAX as usize {
                Some("too many checkouts wait to be archived")
            } else {
                None
            };
            if let Some(bound) = busy {
                (sale.stock.carts, sale.stock.codes, sale.stock.idle) = (carts, codes, idle);
                return Err(StoreError::Busy(bound).into());
            }
            let attempt = |id| Attempt { id, code: cart.code, user: user.clone(), lines: wanted.to_vec() };
            sale.attempt(now, |id| Some(attempt(id)));
            Ok(cart)
        })
        .await
    }

    async fn remove(
        &self,
        epoch: Epoch,
        code: CheckoutCode,
        ordinal: Ordinal,
    ) -> Result<Cart, DecideError<RemoveRefusal>> {
        self.run(StoreCall::Remove, |state| {
            let now = state.now;
            state.in_epoch(epoch, code.sale)?.stock.remove(now, code, ordinal).map_err(DecideError::Refused)
        })
        .await
    }

    async fn purchase(
        &self,
        epoch: Epoch,
        claim: &Claim,
        partial: bool,
    ) -> Result<RecordedPurchase, DecideError<PurchaseRefusal>> {
        self.run(StoreCall::Purchase, |state| {
            let now = state.now;
            let sale = state.in_epoch(epoch, claim.code.sale)?;
            let decision = sale.stock.purchase(now, claim, partial).map_err(DecideError::Refused)?;
            Ok(self.record(state, claim.code.sale, decision))
        })
        .await
    }

    async fn buy_now(
        &self,
        epoch: Epoch,
        _catalog: &Catalog,
        (user, request): (&UserId, &RequestId),
        new_code: CheckoutCode,
        wanted: CartLine,
    ) -> Result<RecordedPurchase, DecideError<BuyNowRefusal>> {
        self.run(StoreCall::BuyNow, |state| {
            let now = state.now;
            let sale = state.in_epoch(epoch, new_code.sale)?;
            let decision = sale.stock.buy_now(now, user, request, new_code, wanted).map_err(DecideError::Refused)?;
            Ok(self.record(state, new_code.sale, decision))
        })
        .await
    }

    async fn find(&self, epoch: Epoch, code: CheckoutCode) -> Result<Option<Found>, StoreError> {
        self.run(StoreCall::Find, |state| {
            let sale = state.in_epoch(epoch, code.sale)?;
            let bought = sale.stock.holdings.receipts.get(&code).map(|id| Found::Purchase(sale.replayed(*id)));
            Ok(bought.or_else(|| sale.stock.carts.get(&code).cloned().map(Found::Cart)))
        })
        .await
    }

    async fn find_request(
        &self,
        epoch: Epoch,
        sale: SaleId,
        user: &UserId,
        request: &RequestId,
    ) -> Result<Option<RecordedPurchase>, StoreError> {
        self.run(StoreCall::FindRequest, |state| {
            let sale = state.in_epoch(epoch, sale)?;
            let id = sale.stock.holdings.requests.get(&(user.clone(), request.clone()));
            Ok(id.map(|id| sale.replayed(*id)))
        })
        .await
    }

    async fn release_all(&self, epoch: Epoch, sale: SaleId, releases: &[Release]) -> Result<Vec<Released>, StoreError> {
        self.run(StoreCall::Release, |state| {
            let now = state.now;
            let sale = state.in_epoch(epoch, sale)?;
            let mut release = |release: &Release| {
                sale.stock.release(release)?;
                let event = LedgerEvent::Released(release.clone());
                let id = sale.append(now, event.clone());
                sale.stock.apply(&LedgerEntry { id, event });
                self.shared.entries.notify_waiters();
                Ok(id)
            };
            Ok(releases.iter().map(&mut release).collect())
        })
        .await
    }
}

impl MemoryStore {
    /// Appends a new purchase to the ledger.
    fn record(&self, state: &mut State, sale: SaleId, decision: Decision) -> RecordedPurchase {
        let now = state.now;
        let sale = state.known(sale);
        match decision {
            Decision::Replayed(id) => sale.replayed(id),
            Decision::New(purchase) => {
                let event = LedgerEvent::Sold(purchase.clone());
                let id = sale.append(now, event.clone());
                sale.stock.apply(&LedgerEntry { id, event });
                self.shared.entries.notify_waiters();
                RecordedPurchase { id, purchase, replayed: false }
            }
        }
    }
}

impl SaleState {
    fn replayed(&self, id: LedgerId) -> RecordedPurchase {
        RecordedPurchase { id, purchase: self.stock.purchases[&id].clone(), replayed: true }
    }
}
