//! Buying a cart. A purchase is acknowledged once it is durable.

use std::time::{Duration, Instant};

use tracing::Instrument;

use crate::application::shared::StoreError;
use crate::domain::sale::{LedgerEntry, LedgerEvent, PurchaseRefusal, Receipt};
use crate::domain::shared::{CheckoutCode, Claim, Epoch, SaleId};

use super::clock::CLOCKS_DIFFER;
use super::confirmations::Verdict;
use super::live_sale::LiveSale;
use super::ports::{DecideError, Found, RecordedPurchase};
use super::shop::Shop;

/// The outcome of a purchase that was decided.
#[derive(Debug, Clone)]
pub enum PurchaseOutcome {
    /// It is durable.
    Durable {
        receipt: Receipt,
        /// It was decided before this call.
        replayed: bool,
        /// Time from the decision until it was known to be durable.
        waited: Duration,
    },
    /// It is not known to be durable yet: ask again with this code.
    Confirming(CheckoutCode),
}

/// A purchase that was not made, or whose outcome is unknown: see [`StoreError`].
#[derive(Debug)]
pub enum PurchaseError {
    Refused(SaleId, PurchaseRefusal),
    /// It was decided, and PostgreSQL rejected it. What it took becomes free again, and the cart is gone.
    Undone,
    Failed(StoreError),
}

impl From<StoreError> for PurchaseError {
    fn from(error: StoreError) -> Self {
        PurchaseError::Failed(error)
    }
}

impl Shop {
    /// Buys the cart of this code: all of it or nothing, or with `partial` the units that are left. Any number of calls
    /// buy once and return the same receipt.
    pub async fn purchase(&self, claim: impl Into<Claim>, partial: bool) -> Result<PurchaseOutcome, PurchaseError> {
        let claim = claim.into();
        let code = claim.code;
        let refused = |refusal| PurchaseError::Refused(code.sale, refusal);
        let sale = self.find_sale(code.sale).await.map_err(or_bought_before)?;
        let sale = sale.ok_or_else(|| refused(PurchaseRefusal::CheckoutNotFound))?;
        let is_closed = sale.sale().closed;
        let halt = match self.halt(&sale).filter(|_| !is_closed) {
            // Without a call to Redis: those that are refused come in floods.
            Some(halt) if !sale.projection().has_code(code) => return Err(halt.into()),
            halt => halt,
        };
        if is_closed || halt.is_some() {
            return match self.bought_with(&sale, &claim).await.map_err(or_bought_before)? {
                Some(outcome) => Ok(outcome),
                None => Err(halt.map_or_else(|| refused(PurchaseRefusal::Ended), PurchaseError::from)),
            };
        }
        let epoch = self.enter(&sale)?;
        let recorded = match epoch.check(self.store.purchase(epoch.number(), &claim, partial).await) {
            Ok(recorded) => recorded,
            Err(DecideError::Refused(PurchaseRefusal::NotStarted))
                if self.clock.has_surely_started(&sale.sale().window) =>
            {
                return Err(CLOCKS_DIFFER.into());
            }
            Err(DecideError::Refused(PurchaseRefusal::Ended)) if self.clock.is_surely_open(&sale.sale().window) => {
                return Err(CLOCKS_DIFFER.into());
            }
            Err(DecideError::Refused(refusal)) => return Err(refused(refusal)),
            // The queue of purchases is full. Receipts have another one.
            Err(DecideError::Failed(busy @ StoreError::Busy(_))) if sale.projection().has_code(code) => {
                let bought = self.bought_with(&sale, &claim).await.map_err(or_bought_before)?;
                return bought.ok_or_else(|| busy.into());
            }
            Err(DecideError::Failed(error)) => return Err(error.into()),
        };
        match self.confirm(&sale, epoch.number(), recorded).await? {
            Confirmed::Outcome(outcome) => Ok(outcome),
            Confirmed::Rejected => Err(PurchaseError::Undone),
        }
    }

    /// Returns what a code bought, if anything.
    pub async fn receipt(&self, claim: impl Into<Claim>) -> Result<Option<PurchaseOutcome>, StoreError> {
        let claim = claim.into();
        match self.find_sale(claim.code.sale).await? {
            Some(sale) => self.bought_with(&sale, &claim).await,
            None => Ok(None),
        }
    }

    /// Waits until a purchase that was decided in this epoch is durable, for at most the acknowledgement timeout.
    pub(super) async fn confirm(
        &self,
        sale: &LiveSale,
        epoch: Epoch,
        recorded: RecordedPurchase,
    ) -> Result<Confirmed, StoreError> {
        let begun = Instant::now();
        let id = recorded.id;
        if !recorded.replayed {
            let entry = LedgerEntry { id, event: LedgerEvent::Sold(recorded.purchase.clone()) };
            sale.note(epoch, vec![entry]);
        }
        tracing::debug!(
            sale = %sale.id(),
            epoch = epoch.0,
            ledger_id = %id,
            code = %recorded.purchase.code.shortened(),
            units = recorded.purchase.units.len(),
            replayed = recorded.replayed,
            "decided"
        );
        let commit = tracing::debug_span!("wait for commit", ledger_id = %id);
        let verdict = sale.confirmations.wait(epoch, id, self.settings.ack_timeout).instrument(commit).await;
        let mut confirmed = self.by_verdict(sale, verdict, recorded).await?;
        let elapsed = begun.elapsed();
        let fate = match &mut confirmed {
            Confirmed::Outcome(PurchaseOutcome::Durable { waited, .. }) => {
                *waited = elapsed;
                "durable"
            }
            Confirmed::Outcome(PurchaseOutcome::Confirming(_)) => "confirming",
            Confirmed::Rejected => "rejected",
        };
        tracing::debug!(ledger_id = %id, waited_ms = elapsed.as_micros() as f64 / 1e3, "{fate}");
        Ok(confirmed)
    }

    async fn by_verdict(
        &self,
        sale: &LiveSale,
        verdict: Option<Verdict>,
        recorded: RecordedPurchase,
    ) -> Result<Confirmed, StoreError> {
        let is_durable = match verdict {
            Some(Verdict::Rejected) => return Ok(Confirmed::Rejected),
            Some(Verdict::Persisted) => true,
            Some(Verdict::Unsure) => self.has_archived(&recorded).await,
            None => false,
        };
        let outcome = match is_durable {
            true => durable(sale, &recorded)?,
            false => PurchaseOutcome::Confirming(recorded.purchase.code),
        };
        Ok(Confirmed::Outcome(outcome))
    }

    async fn has_archived(&self, recorded: &RecordedPurchase) -> bool {
        // Without an answer the purchase stays "confirming", which is true.
        let archived = self.archive.purchase_by_code(recorded.purchase.code).await;
        archived.is_ok_and(|archived| archived.is_some_and(|archived| archived.id == recorded.id))
    }

    /// Returns what the code bought, if anything, without buying and without waiting.
    async fn bought_with(&self, sale: &LiveSale, claim: &Claim) -> Result<Option<PurchaseOutcome>, StoreError> {
        let (code, is_theirs) = (claim.code, |recorded: &RecordedPurchase| claim.is_of(&recorded.purchase.user));
        if sale.sale().closed {
            let recorded = self.bought_in_closed_sale(sale, code).await?.filter(is_theirs);
            return recorded.map(|recorded| durable(sale, &recorded)).transpose();
        }
        let epoch = self.enter(sale)?;
        let recorded = match epoch.check(self.store.find(epoch.number(), code).await)? {
            Some(Found::Purchase(recorded)) if is_theirs(&recorded) => recorded,
            Some(_) | None => return Ok(None),
        };
        let verdict = sale.confirmations.verdict(epoch.number(), recorded.id);
        Ok(match self.by_verdict(sale, verdict, recorded).await? {
            Confirmed::Outcome(outcome) => Some(outcome),
            Confirmed::Rejected => None,
        })
    }

    /// Returns what the code bought in a closed sale, all of which is archived. Redis answers while it remembers the
    /// sale.
    async fn bought_in_closed_sale(
        &self,
        sale: &LiveSale,
        code: CheckoutCode,
    ) -> Result<Option<RecordedPurchase>, StoreError> {
        if let Some(epoch) = sale.fence.epoch() {
            match self.store.find(epoch, code).await {
                Ok(Some(Found::Purchase(recorded))) => return Ok(Some(recorded)),
                Ok(Some(Found::Cart(_)) | None) => return Ok(None),
                // Redis may have dropped the sale: the archive has all of it.
                Err(_) => {}
            }
        }
        self.reads.purchase_by_code(code).await
    }

    /// Returns the reason for which nothing more may be sold at the moment, whatever is left: PostgreSQL is far behind, or
    /// nobody knows the time.
    pub(super) fn halt(&self, sale: &LiveSale) -> Option<StoreError> {
        if sale.confirmations.is_behind(self.settings.lag_limit) {
            return Some(BEHIND);
        }
        (!self.clock.is_trusted()).then_some(CLOCKS_DIFFER)
    }
}

/// The fate of a decided purchase, as far as it is known in time.
#[expect(clippy::large_enum_variant, reason = "it is matched at once and never kept")]
pub(super) enum Confirmed {
    Outcome(PurchaseOutcome),
    Rejected,
}

const BEHIND: StoreError = StoreError::Busy("purchases cannot be made durable fast enough at the moment");

/// Turns "nothing was done by this call" into "the outcome is unknown": an earlier call may have bought.
pub(super) fn or_bought_before(error: StoreError) -> StoreError {
    match error {
        error @ (StoreError::Unreachable(_) | StoreError::Corrupt(_)) => error,
        error @ (StoreError::Fenced | StoreError::Busy(_)) => StoreError::Unreachable(Box::new(error)),
    }
}

fn durable(sale: &LiveSale, recorded: &RecordedPurchase) -> Result<PurchaseOutcome, StoreError> {
    let receipt = sale.receipt(recorded)?;
    Ok(PurchaseOutcome::Durable { receipt, replayed: recorded.replayed, waited: Duration::ZERO })
}
