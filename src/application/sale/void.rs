//! Voiding a committed purchase: its units go back on sale, and its receipt stays.

use std::time::{Duration, Instant};

use crate::application::shared::StoreError;
use crate::domain::sale::{Holdings, LedgerEvent, Purchase, Release, ReleaseReason, ReleaseRefusal};
use crate::domain::shared::{CheckoutCode, LedgerId};

use super::live_sale::LiveSale;
use super::ports::{DecideError, Found};
use super::shop::Shop;

/// Pause between two looks at the archive.
const POLL: Duration = Duration::from_millis(20);

/// A purchase that was voided, durably.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voided {
    /// The ledger id of the purchase.
    pub id: LedgerId,
    /// Its units are free again.
    pub purchase: Purchase,
}

/// A purchase that was not voided, or of which that is not known.
#[derive(Debug, thiserror::Error)]
pub enum VoidError {
    #[error("no cart and no purchase has this code")]
    UnknownCode,
    #[error("this code names a cart that was not bought")]
    NotBought,
    #[error("the purchase is not in PostgreSQL yet: try again")]
    NotCommitted,
    #[error("the purchase was released before: {0}")]
    ReleasedBefore(ReleaseReason),
    #[error("the sale is closed: its purchases are final")]
    SaleClosed,
    #[error("the purchase is an order: cancel it with `flashsale order cancel`")]
    Order,
    /// The release was decided, and the archive does not have it yet.
    #[error("the release is not in PostgreSQL yet: repeat the command to see if it was made")]
    Unconfirmed,
    #[error(transparent)]
    Failed(#[from] StoreError),
}

impl Shop {
    /// Voids the purchase of this code and waits until that is durable, for at most the acknowledgement timeout. Any
    /// number of calls free its units once.
    pub async fn void(&self, code: CheckoutCode, note: &str) -> Result<Voided, VoidError> {
        let sale = self.find_sale(code.sale).await?.ok_or(VoidError::UnknownCode)?;
        if sale.sale().closed {
            return Err(VoidError::SaleClosed);
        }
        let Some(recorded) = self.archive.purchase_by_code(code).await? else {
            return Err(self.why_not_archived(&sale, code).await?);
        };
        // Its stock follows its fate.
        if sale.sale().payment_window.is_some() {
            return Err(VoidError::Order);
        }
        let epoch = self.enter(&sale)?;
        let release = Release::of(recorded.id, &recorded.purchase, ReleaseReason::Void);
        let id = match epoch.check(self.store.release(epoch.number(), sale.id(), &release).await) {
            Ok(id) => id,
            Err(DecideError::Refused(refusal)) => return Err(self.refused(code, refusal).await?),
            Err(DecideError::Failed(error)) => return Err(error.into()),
        };
        self.await_release(code, &release, id).await?;
        self.archive.note_release(sale.id(), id, note).await?;
        Ok(Voided { id: recorded.id, purchase: recorded.purchase })
    }

    /// Returns the meaning of a code that the archive does not know.
    async fn why_not_archived(&self, sale: &LiveSale, code: CheckoutCode) -> Result<VoidError, StoreError> {
        let epoch = self.enter(sale)?;
        Ok(match epoch.check(self.store.find(epoch.number(), code).await)? {
            Some(Found::Purchase(_)) => VoidError::NotCommitted,
            Some(Found::Cart(_)) => VoidError::NotBought,
            None => VoidError::UnknownCode,
        })
    }

    async fn refused(&self, code: CheckoutCode, refusal: ReleaseRefusal) -> Result<VoidError, StoreError> {
        Ok(match refusal {
            ReleaseRefusal::SaleClosed => VoidError::SaleClosed,
            // PostgreSQL has it, so Redis has lost it.
            ReleaseRefusal::NotBought => {
                StoreError::Corrupt(format!("Redis does not know the purchase {}", code.shortened())).into()
            }
            ReleaseRefusal::ReleasedBefore(id) => {
                match self.store.read_one(code.sale, id).await?.map(|entry| entry.event) {
                    Some(LedgerEvent::Released(release)) => VoidError::ReleasedBefore(release.reason),
                    other => StoreError::corrupt(other).into(),
                }
            }
        })
    }

    async fn await_release(&self, code: CheckoutCode, release: &Release, id: LedgerId) -> Result<(), VoidError> {
        let released = Holdings { released: [(release.purchase, id)].into(), ..Holdings::default() };
        let begun = Instant::now();
        while self.archive.held(code.sale, &released).await? != released {
            if begun.elapsed() > self.settings.ack_timeout {
                return Err(VoidError::Unconfirmed);
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }
}
