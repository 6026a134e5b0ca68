//! Creating a sale for an administrator.

use chrono::{DateTime, Datelike, TimeDelta, Timelike, Utc};

use crate::application::shared::StoreError;
use crate::application::shared::blocking::apart;
use crate::domain::sale::{Catalog, Item, PaymentWindow, Sale, Window};
use crate::domain::shared::limits::{LIVE_SALES_MAX, SALE_DAYS_MAX};
use crate::domain::shared::{Currency, Invalid, SaleId};

use super::ports::SaleFilter;
use super::shop::Shop;

/// A sale that an administrator asks for.
#[derive(Debug, Clone)]
pub struct NewSale {
    /// The start; by default now.
    pub starts_at: Option<DateTime<Utc>>,
    /// The end; by default one period after the start.
    pub ends_at: Option<DateTime<Utc>>,
    pub offer: Offer,
    pub user_limit: Option<u32>,
    /// Time in which a purchase must be paid; by default it need not be.
    pub payment_window: Option<PaymentWindow>,
    /// Only users whose place in the waiting room was called may buy.
    pub waiting_room: bool,
}

/// The items of a new sale.
#[derive(Debug, Clone)]
pub enum Offer {
    /// This many generated items.
    Generated(u32),
    /// These items, with prices in this currency.
    Listed(Currency, Vec<Item>),
}

/// A sale that was not created.
#[derive(Debug, thiserror::Error)]
pub enum NewSaleError {
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The bound on live sales is reached.
    #[error(
        "{LIVE_SALES_MAX} sales are not closed yet. A sale closes a few seconds after its end, or once none of its orders is \
         open: wait for that, or end one that sells or is scheduled with POST /admin/sales/{{id}}/end"
    )]
    TooMany,
    #[error(transparent)]
    Failed(#[from] StoreError),
}

impl Shop {
    /// Creates a sale. When this returns, the sale is complete, and open to purchases if its time has come.
    pub async fn create_sale(&self, wanted: NewSale) -> Result<Sale, NewSaleError> {
        let window = self.window_of(&wanted).await?;
        if self.archive.sales(SaleFilter::Live).await?.len() >= LIVE_SALES_MAX {
            return Err(NewSaleError::TooMany);
        }
        let catalog = match wanted.offer {
            Offer::Generated(items) => apart(move || Catalog::generated(items)).await?,
            Offer::Listed(currency, items) => Catalog::new(currency, items)?,
        };
        let (payment_window, waiting_room) = (wanted.payment_window, wanted.waiting_room);
        let user_limit = wanted.user_limit.unwrap_or(self.settings.user_limit);
        loop {
            let id = SaleId::special(window.starts_at, rand::random());
            let sale = Sale { payment_window, waiting_room, ..Sale::new(id, window, user_limit, &catalog) };
            if self.archive.create_sale(&sale, &catalog).await? {
                self.sale_lists.forget();
                // The sale exists now. If it cannot be activated here at once, the schedule will do it.
                if let Err(error) = self.activate_with(sale.clone(), catalog).await {
                    tracing::warn!(sale = %id, %error, "the new sale is not open yet");
                }
                return Ok(sale);
            }
        }
    }

    async fn window_of(&self, wanted: &NewSale) -> Result<Window, NewSaleError> {
        let now = self.store.now().await?;
        let starts_at = wanted.starts_at.unwrap_or(now);
        if !(0..=SaleId::LAST_YEAR).contains(&starts_at.year()) {
            return Err(Invalid::new(format!("a sale starts in the year {} at the latest", SaleId::LAST_YEAR)).into());
        }
        // A sale id holds the start to the second, so sales start on one.
        let starts_at = starts_at.with_nanosecond(0).unwrap_or_else(|| unreachable!("every second has a beginning"));
        let window = Window::new(starts_at, wanted.ends_at.unwrap_or_else(|| starts_at + self.settings.period()))?;
        // Its JSON would have a year of five digits, which RFC 3339 does not know.
        if window.ends_at.year() > SaleId::LAST_YEAR {
            return Err(Invalid::new(format!("a sale ends in the year {} at the latest", SaleId::LAST_YEAR)).into());
        }
        if window.ends_at <= now {
            return Err(Invalid::new("the end of a sale must lie in the future").into());
        }
        if window.ends_at - window.starts_at > TimeDelta::days(SALE_DAYS_MAX.into()) {
            return Err(Invalid::new(format!("a sale lasts at most {SALE_DAYS_MAX} days")).into());
        }
        Ok(window)
    }
}
