//! Buying units of one item without a cart.

use std::sync::Arc;

use crate::application::shared::StoreError;
use crate::domain::sale::{BuyNowRefusal, CartLine, ItemRef, Quantity, SaleStatus};
use crate::domain::shared::{CheckoutCode, Epoch, ItemId, RequestId, SaleId, UserId};

use super::clock::CLOCKS_DIFFER;
use super::live_sale::LiveSale;
use super::ports::{DecideError, RecordedPurchase};
use super::purchase::{Confirmed, PurchaseOutcome, or_bought_before};
use super::registry::Neighbour;
use super::shop::{NO_CURRENT_SALE, Shop};

/// The epoch of closed sales: see [`Confirmations::close`](super::confirmations::Confirmations::close).
const CLOSED: Epoch = Epoch(i64::MAX);

/// The answer while the request may have bought in the previous sale.
const PREVIOUS_UNKNOWN: StoreError = StoreError::Busy("this instance has not read the previous sale yet");

/// A purchase that was not made, or whose outcome is unknown: see [`StoreError`].
#[derive(Debug)]
pub enum BuyNowError {
    SaleNotFound,
    Refused(SaleId, BuyNowRefusal),
    /// It was decided, and PostgreSQL rejected it. What it took becomes free again.
    Undone,
    Failed(StoreError),
}

impl From<StoreError> for BuyNowError {
    fn from(error: StoreError) -> Self {
        BuyNowError::Failed(error)
    }
}

impl Shop {
    /// Buys units of one item, once for each request id that a user gives in a sale.
    pub async fn buy_now(
        &self,
        user: &UserId,
        request: &RequestId,
        item: ItemRef,
        quantity: Quantity,
    ) -> Result<PurchaseOutcome, BuyNowError> {
        let (id, is_of_current_sale) = match item {
            ItemRef::Id(id) => (id, false),
            ItemRef::InCurrentSale(ordinal) => (ItemId { sale: self.current_sale_without_room()?.id(), ordinal }, true),
        };
        let wanted = CartLine { ordinal: id.ordinal, quantity };
        let mut sale = self.find_sale(id.sale).await?.ok_or(BuyNowError::SaleNotFound)?;
        if is_of_current_sale && let Some(previous) = self.requested_before(sale.id(), user, request)? {
            sale = previous;
        }
        let result = self.buy_now_in(&sale, wanted, user, request).await;
        match outside_window(&result) {
            Some(direction) if is_of_current_sale => {
                // The clock of Redis is on the other side of a boundary between sales.
                let neighbour = self.neighbour_without_room(sale.id(), direction)?;
                let result = self.buy_now_in(&neighbour, wanted, user, request).await;
                if outside_window(&result).is_some() { Err(NO_CURRENT_SALE.into()) } else { result }
            }
            _ => result,
        }
    }

    /// Returns the sale before this one, if the request bought in it: the first answer was lost and the hour has turned, so
    /// that the number of an item means one of the previous sale.
    fn requested_before(
        &self,
        sale: SaleId,
        user: &UserId,
        request: &RequestId,
    ) -> Result<Option<Arc<LiveSale>>, StoreError> {
        let Some(previous) = self.sales.neighbour(sale, Neighbour::Previous) else { return Ok(None) };
        if !previous.sale().closed && !previous.is_followed() {
            return Err(PREVIOUS_UNKNOWN);
        }
        let has_bought = previous.projection().has_request(user, request);
        Ok(has_bought.then_some(previous))
    }

    /// Returns the id of an item of the current sale, and true if the request has bought in its sale before.
    pub async fn requested_item(
        &self,
        current: &LiveSale,
        item: ItemRef,
        user: &UserId,
        request: &RequestId,
    ) -> Result<(ItemId, bool), StoreError> {
        if let ItemRef::InCurrentSale(ordinal) = item
            && let Some(previous) = self.requested_before(current.id(), user, request)?
        {
            return Ok((ItemId { sale: previous.id(), ordinal }, true));
        }
        let ordinal = match item {
            ItemRef::Id(id) => id.ordinal,
            ItemRef::InCurrentSale(ordinal) => ordinal,
        };
        let bought = self.bought_by_request(current, user, request).await.map_err(or_bought_before)?;
        Ok((ItemId { sale: current.id(), ordinal }, bought.is_some()))
    }

    async fn buy_now_in(
        &self,
        live: &Arc<LiveSale>,
        wanted: CartLine,
        user: &UserId,
        request: &RequestId,
    ) -> Result<PurchaseOutcome, BuyNowError> {
        let sale = live.sale();
        let refused = |refusal| BuyNowError::Refused(sale.id, refusal);
        let halt = match self.halt(live).filter(|_| !sale.closed) {
            // Without a call to Redis: those that are refused come in floods.
            Some(halt) if !live.projection().has_request(user, request) => return Err(halt.into()),
            halt => halt,
        };
        if sale.closed || halt.is_some() {
            return match self.bought_by_request(live, user, request).await.map_err(or_bought_before)? {
                Some((_, recorded)) if recorded.purchase.lines() != [wanted] => {
                    Err(refused(BuyNowRefusal::RequestMismatch))
                }
                Some((epoch, recorded)) => self.confirm_buy_now(live, epoch, recorded).await,
                None => Err(halt.map_or_else(|| refused(BuyNowRefusal::Ended), BuyNowError::from)),
            };
        }
        let is_open = sale.window.status(self.clock.now()) == SaleStatus::Open;
        if is_open && live.is_sold(wanted.ordinal) && !live.projection().has_request(user, request) {
            self.refusals.count_filtered();
            return Err(refused(BuyNowRefusal::SoldOut));
        }
        let epoch = self.enter(live)?;
        let new_code = CheckoutCode::new(sale.id, rand::random());
        match epoch.check(self.store.buy_now(epoch.number(), &live.catalog, (user, request), new_code, wanted).await) {
            Ok(recorded) => self.confirm_buy_now(live, epoch.number(), recorded).await,
            Err(DecideError::Refused(BuyNowRefusal::NotStarted))
                if self.clock.has_surely_started(&live.sale().window) =>
            {
                Err(CLOCKS_DIFFER.into())
            }
            Err(DecideError::Refused(BuyNowRefusal::Ended)) if self.clock.is_surely_open(&live.sale().window) => {
                Err(CLOCKS_DIFFER.into())
            }
            Err(DecideError::Refused(refusal)) => Err(refused(refusal)),
            Err(DecideError::Failed(error)) => Err(error.into()),
        }
    }

    async fn confirm_buy_now(
        &self,
        sale: &LiveSale,
        epoch: Epoch,
        recorded: RecordedPurchase,
    ) -> Result<PurchaseOutcome, BuyNowError> {
        match self.confirm(sale, epoch, recorded).await? {
            Confirmed::Outcome(outcome) => Ok(outcome),
            Confirmed::Rejected => Err(BuyNowError::Undone),
        }
    }

    /// Returns what the request bought, if anything, and the epoch in which that was found.
    async fn bought_by_request(
        &self,
        sale: &LiveSale,
        user: &UserId,
        request: &RequestId,
    ) -> Result<Option<(Epoch, RecordedPurchase)>, StoreError> {
        let id = sale.id();
        if sale.sale().closed {
            // All that a closed sale sold is archived, whichever epoch sold it.
            let recorded = self.requested_in_closed_sale(sale, user, request).await?;
            return Ok(recorded.map(|recorded| (CLOSED, recorded)));
        }
        let epoch = self.enter(sale)?;
        let found = epoch.check(self.store.find_request(epoch.number(), id, user, request).await)?;
        Ok(found.map(|recorded| (epoch.number(), recorded)))
    }

    async fn requested_in_closed_sale(
        &self,
        sale: &LiveSale,
        user: &UserId,
        request: &RequestId,
    ) -> Result<Option<RecordedPurchase>, StoreError> {
        // An error of Redis is passed over: the archive has all of a closed sale.
        if let Some(epoch) = sale.fence.epoch()
            && let Ok(recorded) = self.store.find_request(epoch, sale.id(), user, request).await
        {
            return Ok(recorded);
        }
        self.reads.purchase_by_request(sale.id(), user, request).await
    }
}

/// Returns the direction of the sale that sells now, if a purchase was refused because its sale does not.
fn outside_window(result: &Result<PurchaseOutcome, BuyNowError>) -> Option<Neighbour> {
    match result {
        Err(BuyNowError::Refused(_, BuyNowRefusal::Ended)) => Some(Neighbour::Next),
        Err(BuyNowError::Refused(_, BuyNowRefusal::NotStarted)) => Some(Neighbour::Previous),
        _ => None,
    }
}
