//! Buying a cart, or one item without a cart. Acknowledged once it is durable.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::Instrument;

use crate::domain::limits::WAITING_PURCHASES_MAX;
use crate::domain::{
    BuyNowRefusal, CartLine, CheckoutCode, CheckoutRefusal, ItemRef, PurchaseRefusal, Quantity, Receipt, RequestId,
    SaleId, SaleStatus, UserId,
};

use super::checkout::CheckoutError;
use super::confirmations::Verdict;
use super::fence::Epoch;
use super::live_sale::LiveSale;
use super::ports::{Decided, Declined, Found, Rejection, StoreError};
use super::sales::Step;
use super::shop::Shop;

/// A purchase that was decided.
#[derive(Debug, Clone)]
pub enum Purchased {
    /// It is durable. `replayed` says that it was decided before this call; `waited`, how long it took from the
    /// decision until it was known to be durable.
    Receipt { receipt: Receipt, replayed: bool, waited: Duration },
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
        let found = self.find_sale(code.sale).await.map_err(|error| PurchaseError::Failed(unknown(error)))?;
        let refused = |refusal| PurchaseError::Refused(code.sale, refusal);
        let sale = found.ok_or_else(|| refused(PurchaseRefusal::CheckoutNotFound))?;
        if sale.sale().closed || self.is_behind(&sale) {
            let before = self.purchased(&sale, code).await;
            return match before.map_err(|error| PurchaseError::Failed(unknown(error)))? {
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
        self.confirmed(&sale, epoch, decided).await.map_err(|rejection| match rejection {
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
            let before = self.bought_by(sale, user, request).await;
            let before = before.map_err(|error| BuyNowError::Failed(unknown(error)))?;
            return match before {
                Some((_, decided)) if decided.sold.lines() != [wanted] => Err(refused(BuyNowRefusal::RequestMismatch)),
                Some((epoch, decided)) => self.acknowledged(sale, epoch, decided).await,
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
            Ok(decided) => self.acknowledged(sale, epoch, decided).await,
            Err(Declined::Refused(refusal)) => Err(refused(refusal)),
            Err(Declined::Failed(error)) => Err(BuyNowError::Failed(self.noticing(epoch, error))),
        }
    }

    async fn acknowledged(&self, sale: &LiveSale, epoch: Epoch, decided: Decided) -> Result<Purchased, BuyNowError> {
        let id = sale.sale().id;
        self.confirmed(sale, epoch, decided).await.map_err(|rejection| match rejection {
            Rejection::UnitSold => BuyNowError::Refused(id, BuyNowRefusal::SoldOut),
            Rejection::SlotFilled => BuyNowError::Refused(id, BuyNowRefusal::UserLimitReached),
            Rejection::Invalid => BuyNowError::Failed(UNRECORDABLE),
        })
    }

    /// Waits for a purchase that was decided in this epoch to become durable, but not for ever.
    async fn confirmed(&self, sale: &LiveSale, epoch: Epoch, decided: Decided) -> Result<Purchased, Rejection> {
        let begun = Instant::now();
        sale.arrived.notify_one();
        let id = decided.id;
        tracing::debug!(
            sale = %sale.sale().id,
            epoch = epoch.0,
            ledger_id = %id,
            code = %decided.sold.code.shortened(),
            units = decided.sold.units.len(),
            replayed = decided.replayed,
            "decided"
        );
        let commit = tracing::debug_span!("wait for commit", ledger_id = %id);
        let verdict = sale.confirmations.wait(epoch, id, self.settings.ack_timeout).instrument(commit).await;
        let mut result = self.by_verdict(sale, verdict, decided).await;
        let elapsed = begun.elapsed();
        let became = match &mut result {
            Ok(Purchased::Receipt { waited, .. }) => {
                *waited = elapsed;
                "durable"
            }
            Ok(Purchased::Confirming(_)) => "confirming",
            Err(_) => "rejected",
        };
        tracing::debug!(ledger_id = %id, waited_ms = elapsed.as_micros() as f64 / 1e3, "{became}");
        result
    }

    async fn by_verdict(
        &self,
        sale: &LiveSale,
        verdict: Option<Verdict>,
        decided: Decided,
    ) -> Result<Purchased, Rejection> {
        match verdict {
            Some(Verdict::Persisted) => Ok(receipt(sale, &decided)),
            Some(Verdict::Rejected(rejection)) => Err(rejection),
            Some(Verdict::Unsure) if self.is_archived(&decided).await => Ok(receipt(sale, &decided)),
            Some(Verdict::Unsure) | None => Ok(Purchased::Confirming(decided.sold.code)),
        }
    }

    async fn is_archived(&self, decided: &Decided) -> bool {
        let archived = self.archive.sold_by_code(decided.sold.code).await;
        archived.is_ok_and(|archived| archived.is_some_and(|archived| archived.id == decided.id))
    }

    /// What the code bought, if anything, without buying and without waiting.
    async fn purchased(&self, sale: &LiveSale, code: CheckoutCode) -> Result<Option<Purchased>, StoreError> {
        if sale.sale().closed {
            // All that a closed sale sold is archived. As long as Redis remembers it, Redis answers.
            let sold = match self.stock.find(code).await {
                Ok(Some(Found::Sold(decided))) => Some(decided),
                Ok(Some(Found::Cart(_)) | None) => None,
                Err(_) => self.archive.sold_by_code(code).await?,
            };
            return Ok(sold.map(|decided| receipt(sale, &decided)));
        }
        let epoch = self.epoch()?;
        let decided = match self.stock.find(code).await.map_err(|error| self.noticing(epoch, error))? {
            Some(Found::Sold(decided)) => decided,
            Some(Found::Cart(_)) | None => return Ok(None),
        };
        let verdict = sale.confirmations.verdict(epoch, decided.id);
        Ok(self.by_verdict(sale, verdict, decided).await.ok())
    }

    /// What the request bought, if anything, and the epoch in which that was found.
    async fn bought_by(
        &self,
        sale: &LiveSale,
        user: &UserId,
        request: &RequestId,
    ) -> Result<Option<(Epoch, Decided)>, StoreError> {
        let about = sale.sale();
        if about.closed {
            let sold = match self.stock.find_request(about.id, user, request).await {
                Ok(sold) => sold,
                Err(_) => self.archive.sold_by_request(about.id, user, request).await?,
            };
            // All that a closed sale sold is archived, whichever epoch that was.
            return Ok(sold.map(|decided| (CLOSED, decided)));
        }
        let epoch = self.epoch()?;
        let found = self.stock.find_request(about.id, user, request).await;
        let found = found.map_err(|error| self.noticing(epoch, error))?;
        Ok(found.map(|decided| (epoch, decided)))
    }

    /// Whether PostgreSQL is so far behind that nothing more may be sold until it has caught up.
    fn is_behind(&self, sale: &LiveSale) -> bool {
        let confirmations = &sale.confirmations;
        confirmations.lag() > self.settings.lag_limit || confirmations.pending() > WAITING_PURCHASES_MAX
    }
}

/// The epoch of sales that are over: see [`Confirmations::close`](super::confirmations::Confirmations::close).
const CLOSED: Epoch = Epoch(i64::MAX);

const BEHIND: StoreError = StoreError::Busy("purchases cannot be made durable fast enough at the moment");
const UNRECORDABLE: StoreError = StoreError::Busy("the purchase could not be recorded, so it was undone");

/// It may have been bought by an earlier call: that this one did nothing is not the whole answer.
fn unknown(error: StoreError) -> StoreError {
    match error {
        error @ (StoreError::Unreachable(_) | StoreError::Corrupt(_)) => error,
        error @ (StoreError::Fenced | StoreError::Busy(_)) => StoreError::Unreachable(Box::new(error)),
    }
}

fn receipt(sale: &LiveSale, decided: &Decided) -> Purchased {
    let catalog = &sale.catalog;
    let receipt = Receipt::new(catalog.currency(), |ordinal| catalog.item(ordinal), decided.id, &decided.sold);
    Purchased::Receipt { receipt, replayed: decided.replayed, waited: Duration::ZERO }
}
