//! Buying a cart, or one item without a cart. Acknowledged once it is durable.

use std::sync::Arc;

use crate::domain::limits::WAITING_PURCHASES_MAX;
use crate::domain::{
    BuyNowRefusal, CartLine, CheckoutCode, CheckoutRefusal, ItemRef, PurchaseRefusal, Quantity, Receipt, RequestId,
    SaleId, SaleStatus, UserId,
};

use super::checkout::CheckoutError;
use super::confirmations::Verdict;
use super::live_sale::LiveSale;
use super::ports::{Decided, Declined, Found, Rejection, StoreError};
use super::sales::Step;
use super::shop::Shop;

/// A purchase that was decided.
#[derive(Debug, Clone)]
pub enum Purchased {
    /// It is durable. `replayed` says that it was decided before this call.
    Receipt { receipt: Receipt, replayed: bool },
    /// It is not known to be durable yet: ask again with this code.
    Confirming(CheckoutCode),
}

/// Why nothing was bought, as far as is known: see [`StoreError`].
#[derive(Debug)]
pub enum PurchaseError {
    Refused(SaleId, PurchaseRefusal),
    Failed(StoreError),
}

/// Why nothing was bought, as far as is known: see [`StoreError`].
#[derive(Debug)]
pub enum BuyNowError {
    SaleNotFound,
    Refused(SaleId, BuyNowRefusal),
    Failed(StoreError),
}

impl Shop {
    /// Buys the cart of this name: all of it or nothing, or with `partial` what is left of it. Any number of
    /// calls buy once and return the same receipt.
    pub async fn purchase(&self, code: CheckoutCode, partial: bool) -> Result<Purchased, PurchaseError> {
        let found = self.find_sale(code.sale).await.map_err(PurchaseError::Failed)?;
        let refused = |refusal| PurchaseError::Refused(code.sale, refusal);
        let sale = found.ok_or_else(|| refused(PurchaseRefusal::CheckoutNotFound))?;
        if sale.sale().closed || self.is_behind(&sale) {
            return match self.purchased(&sale, code).await.map_err(PurchaseError::Failed)? {
                Some(purchased) => Ok(purchased),
                None if sale.sale().closed => Err(refused(PurchaseRefusal::Ended)),
                None => Err(PurchaseError::Failed(BEHIND)),
            };
        }
        let epoch = self.epoch().map_err(PurchaseError::Failed)?;
        let decided = match self.stock.purchase(code, partial).await {
            Ok(decided) => decided,
            Err(Declined::Refused(refusal)) => return Err(refused(refusal)),
            Err(Declined::Failed(error)) => return Err(PurchaseError::Failed(self.noticing(epoch, error))),
        };
        let ordinals = decided.sold.lines().iter().map(|line| line.ordinal).collect();
        self.confirmed(&sale, decided).await.map_err(|unconfirmed| match unconfirmed {
            Rejection::UnitSold => refused(PurchaseRefusal::ItemsSold { unavailable: ordinals, available: Vec::new() }),
            Rejection::SlotFilled => refused(PurchaseRefusal::UserLimitReached),
            Rejection::Invalid => PurchaseError::Failed(UNRECORDABLE),
        })
    }

    /// What a code bought, if anything.
    pub async fn receipt(&self, code: CheckoutCode) -> Result<Option<Purchased>, StoreError> {
        match self.find_sale(code.sale).await? {
            Some(sale) => self.purchased(&sale, code).await,
            None => Ok(None),
        }
    }

    /// Buys units of one item, once for each name that a user gives a request in a sale.
    pub async fn buy_now(
        &self,
        user: &UserId,
        request: &RequestId,
        item: ItemRef,
        quantity: Quantity,
    ) -> Result<Purchased, BuyNowError> {
        let wanted = self.wanted(&[(item, quantity)]).await.map_err(|error| match error {
            CheckoutError::Failed(error) => BuyNowError::Failed(error),
            CheckoutError::Refused(sale, CheckoutRefusal::Ended) => BuyNowError::Refused(sale, BuyNowRefusal::Ended),
            CheckoutError::SaleNotFound | CheckoutError::Invalid(_) | CheckoutError::Refused(..) => {
                BuyNowError::SaleNotFound
            }
        })?;
        let mut sale = wanted.sale.clone();
        if let Some(before) =
            wanted.of_current_sale.then(|| self.sales.neighbour(sale.sale().id, Step::Before)).flatten()
            && before.projection().has_request(user, request)
        {
            // The first answer was lost and the hour has turned: the number means the item of then.
            sale = before;
        }
        let result = self.buy_now_in(&sale, wanted.lines[0], user, request).await;
        let step = match &result {
            Err(BuyNowError::Refused(_, BuyNowRefusal::Ended)) => Step::After,
            Err(BuyNowError::Refused(_, BuyNowRefusal::NotStarted)) => Step::Before,
            _ => return result,
        };
        match wanted.of_current_sale.then(|| self.sales.neighbour(sale.sale().id, step)).flatten() {
            Some(sale) => self.buy_now_in(&sale, wanted.lines[0], user, request).await,
            None => result,
        }
    }

    async fn buy_now_in(
        &self,
        sale: &Arc<LiveSale>,
        wanted: CartLine,
        user: &UserId,
        request: &RequestId,
    ) -> Result<Purchased, BuyNowError> {
        let about = sale.sale();
        let refused = |refusal| BuyNowError::Refused(about.id, refusal);
        if about.closed || self.is_behind(sale) {
            let before = self.bought_by(sale, user, request).await.map_err(BuyNowError::Failed)?;
            return match before {
                Some(decided) if decided.sold.lines() != [wanted] => Err(refused(BuyNowRefusal::RequestMismatch)),
                Some(decided) => self.acknowledged(sale, decided).await,
                None if about.closed => Err(refused(BuyNowRefusal::Ended)),
                None => Err(BuyNowError::Failed(BEHIND)),
            };
        }
        let open = about.window.status(self.clock.now()) == SaleStatus::Open;
        if open && sale.is_sold(wanted.ordinal) && !sale.projection().has_request(user, request) {
            self.refusals.count_filtered();
            return Err(refused(BuyNowRefusal::SoldOut));
        }
        let epoch = self.epoch().map_err(BuyNowError::Failed)?;
        let new_code = CheckoutCode::new(about.id, rand::random());
        match self.stock.buy_now(user, request, new_code, wanted).await {
            Ok(decided) => self.acknowledged(sale, decided).await,
            Err(Declined::Refused(refusal)) => Err(refused(refusal)),
            Err(Declined::Failed(error)) => Err(BuyNowError::Failed(self.noticing(epoch, error))),
        }
    }

    async fn acknowledged(&self, sale: &LiveSale, decided: Decided) -> Result<Purchased, BuyNowError> {
        let id = sale.sale().id;
        self.confirmed(sale, decided).await.map_err(|rejection| match rejection {
            Rejection::UnitSold => BuyNowError::Refused(id, BuyNowRefusal::SoldOut),
            Rejection::SlotFilled => BuyNowError::Refused(id, BuyNowRefusal::UserLimitReached),
            Rejection::Invalid => BuyNowError::Failed(UNRECORDABLE),
        })
    }

    /// Waits for a decided purchase to become durable, but not for ever.
    async fn confirmed(&self, sale: &LiveSale, decided: Decided) -> Result<Purchased, Rejection> {
        sale.arrived.notify_one();
        let (id, code) = (decided.id, decided.sold.code);
        match sale.confirmations.wait(id, self.settings.ack_timeout).await {
            Some(Verdict::Persisted) => Ok(receipt(sale, &decided)),
            Some(Verdict::Rejected(rejection)) => Err(rejection),
            None => Ok(Purchased::Confirming(code)),
        }
    }

    /// What the code bought, if anything, without buying and without waiting.
    async fn purchased(&self, sale: &LiveSale, code: CheckoutCode) -> Result<Option<Purchased>, StoreError> {
        let found = match self.stock.find(code).await {
            Ok(Some(Found::Sold(decided))) => Some(decided),
            Ok(Some(Found::Cart(_)) | None) => None,
            // What is closed is all in the archive, so Redis may have forgotten it.
            Err(_) if sale.sale().closed => self.archive.sold_by_code(code).await?,
            Err(error) => return Err(self.noticing_now(error)),
        };
        let verdict = |decided: &Decided| sale.confirmations.verdict(decided.id);
        Ok(found.and_then(|decided| match verdict(&decided) {
            Some(Verdict::Persisted) => Some(receipt(sale, &decided)),
            Some(Verdict::Rejected(_)) => None,
            None => Some(Purchased::Confirming(code)),
        }))
    }

    async fn bought_by(
        &self,
        sale: &LiveSale,
        user: &UserId,
        request: &RequestId,
    ) -> Result<Option<Decided>, StoreError> {
        let id = sale.sale().id;
        match self.stock.find_request(id, user, request).await {
            Err(_) if sale.sale().closed => self.archive.sold_by_request(id, user, request).await,
            found => found.map_err(|error| self.noticing_now(error)),
        }
    }

    /// Whether PostgreSQL is so far behind that nothing more may be sold until it has caught up.
    fn is_behind(&self, sale: &LiveSale) -> bool {
        let confirmations = &sale.confirmations;
        confirmations.lag() > self.settings.lag_limit || confirmations.pending() > WAITING_PURCHASES_MAX
    }
}

const BEHIND: StoreError = StoreError::Busy("purchases cannot be made durable fast enough at the moment");
const UNRECORDABLE: StoreError = StoreError::Busy("the purchase could not be recorded, so it was undone");

fn receipt(sale: &LiveSale, decided: &Decided) -> Purchased {
    let catalog = &sale.catalog;
    let receipt = Receipt::new(catalog.currency(), |ordinal| catalog.item(ordinal), decided.id, &decided.sold);
    Purchased::Receipt { receipt, replayed: decided.replayed }
}
