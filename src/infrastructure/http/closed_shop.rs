//! For tests: a shop with stores that do not serve, so that whatever is answered is answered without them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use crate::application::fence::{Epoch, Fence};
use crate::application::live_sale::{LiveSale, Projection};
use crate::application::ports::*;
use crate::application::{Ports, Settings, Shop};
use crate::domain::stock::CheckedOut;
use crate::domain::{
    BuyNowRefusal, Cart, CartLine, Catalog, CheckoutCode, CheckoutRefusal, LedgerEntry, LedgerEvent, LedgerId, Ordinal,
    PurchaseRefusal, Receipt, Released, RemoveRefusal, RequestId, Sale, SaleId, Sold, SoldUnit, Stock, UserId, Window,
};

/// What the stores do instead of serving.
#[derive(Debug, Clone, Copy)]
pub enum Trouble {
    Fenced,
    Unreachable,
    Hanging,
    Panicking,
}

impl Trouble {
    async fn with<T>(self) -> Result<T, StoreError> {
        match self {
            Trouble::Fenced => Err(StoreError::Fenced),
            Trouble::Unreachable => Err(StoreError::Unreachable("connection refused (10.0.0.7:6379)".into())),
            Trouble::Hanging => std::future::pending().await,
            Trouble::Panicking => panic!("the secret of the store"),
        }
    }
}

/// A shop with a periodic sale that is on, of 20 items, of which number 7 is sold.
pub fn shop(trouble: Trouble) -> Arc<Shop> {
    let settings = Settings {
        sale_every: Duration::from_secs(3600),
        sale_lead: Duration::from_secs(600),
        sale_items: 20,
        user_limit: 10,
        ack_timeout: Duration::from_millis(100),
        lag_limit: Duration::from_secs(1),
    };
    let store = Arc::new(trouble);
    let ports = Ports { stock: store.clone(), sale_store: store.clone(), ledger: store.clone(), archive: store };
    let shop = Shop::new(ports, Arc::new(Fence::default()), settings);
    shop.fence.open(Epoch(1));
    shop.sales.add(Arc::new(sale()));
    Arc::new(shop)
}

fn sale() -> LiveSale {
    // One that lasts long, so that no hour ends in a test.
    let starts_at = Window::containing(Utc::now(), Duration::from_secs(3600)).starts_at;
    let window = Window::new(starts_at, starts_at + TimeDelta::days(1)).unwrap();
    let catalog = Catalog::generated(20).unwrap();
    let (id, currency) = (SaleId::hourly(starts_at), catalog.currency());
    let sale = Sale { id, window, user_limit: 10, currency, items: 20, units: 20, closed: false };
    let sold = Sold {
        code: CheckoutCode::new(id, 1),
        user: "somebody".parse().unwrap(),
        request: None,
        units: vec![SoldUnit { ordinal: 7.try_into().unwrap(), unit: 1, slot: 1 }],
        missed: vec![],
    };
    let mut projection = Projection::new(&catalog);
    projection.apply(&LedgerEntry { id: "1-1".parse().unwrap(), event: LedgerEvent::Sold(sold) });
    let live = LiveSale::new(sale, Arc::new(catalog));
    live.replace(projection);
    live.refresh_filter();
    live
}

#[async_trait]
impl StockStore for Trouble {
    async fn checkout(
        &self,
        _: &UserId,
        _: CheckoutCode,
        _: &[CartLine],
    ) -> Result<CheckedOut, Declined<CheckoutRefusal>> {
        Ok(self.with().await?)
    }

    async fn remove(&self, _: CheckoutCode, _: Ordinal) -> Result<Cart, Declined<RemoveRefusal>> {
        Ok(self.with().await?)
    }

    async fn purchase(&self, _: CheckoutCode, _: bool) -> Result<Decided, Declined<PurchaseRefusal>> {
        Ok(self.with().await?)
    }

    async fn buy_now(
        &self,
        _: &UserId,
        _: &RequestId,
        _: CheckoutCode,
        _: CartLine,
    ) -> Result<Decided, Declined<BuyNowRefusal>> {
        Ok(self.with().await?)
    }

    async fn find(&self, _: CheckoutCode) -> Result<Option<Found>, StoreError> {
        self.with().await
    }

    async fn find_request(&self, _: SaleId, _: &UserId, _: &RequestId) -> Result<Option<Decided>, StoreError> {
        self.with().await
    }

    async fn release(&self, _: SaleId, _: &Released) -> Result<(), StoreError> {
        self.with().await
    }
}

#[async_trait]
impl SaleStore for Trouble {
    async fn now(&self) -> Result<DateTime<Utc>, StoreError> {
        self.with().await
    }

    async fn open(&self, _: Epoch, _: &Stock) -> Result<(), StoreError> {
        self.with().await
    }

    async fn end(&self, _: SaleId, _: DateTime<Utc>) -> Result<(), StoreError> {
        self.with().await
    }

    async fn retire(&self, _: SaleId, _: DateTime<Utc>) -> Result<(), StoreError> {
        self.with().await
    }

    async fn is_intact(&self, _: Epoch, _: &[(SaleId, LedgerId)]) -> Result<bool, StoreError> {
        self.with().await
    }

    async fn fence(&self, _: SaleId) -> Result<(), StoreError> {
        self.with().await
    }

    async fn restore(&self, _: Epoch, _: &Stock, _: LedgerId, _: LedgerId) -> Result<(), StoreError> {
        self.with().await
    }

    async fn join(&self, _: Epoch) -> Result<(), StoreError> {
        self.with().await
    }

    async fn load_scripts(&self, _: Epoch) -> Result<(), StoreError> {
        self.with().await
    }

    async fn snapshot(&self, _: SaleId) -> Result<Option<Snapshot>, StoreError> {
        self.with().await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.with().await
    }
}

#[async_trait]
impl Ledger for Trouble {
    async fn read(&self, _: SaleId, _: LedgerId, _: usize) -> Result<Vec<LedgerEntry>, StoreError> {
        self.with().await
    }

    async fn read_one(&self, _: SaleId, _: LedgerId) -> Result<Option<LedgerEntry>, StoreError> {
        self.with().await
    }

    async fn follow(&self, _: SaleId) -> Result<Box<dyn LedgerReader>, StoreError> {
        self.with().await
    }

    async fn read_attempts(&self, _: SaleId, _: LedgerId, _: usize) -> Result<Attempts, StoreError> {
        self.with().await
    }

    async fn count_attempts(&self, _: SaleId) -> Result<usize, StoreError> {
        self.with().await
    }

    async fn trim_attempts(&self, _: SaleId, _: LedgerId) -> Result<(), StoreError> {
        self.with().await
    }

    async fn announce(&self, _: Watermark) -> Result<(), StoreError> {
        self.with().await
    }

    async fn news(&self) -> Result<Box<dyn News>, StoreError> {
        self.with().await
    }
}

#[async_trait]
impl Coordination for Trouble {
    async fn ping(&self) -> Result<(), StoreError> {
        self.with().await
    }

    async fn try_lock(&self, _: LockName) -> Result<Option<Box<dyn Lock>>, StoreError> {
        self.with().await
    }

    async fn epoch(&self) -> Result<Epoch, StoreError> {
        self.with().await
    }

    async fn raise_epoch(&self) -> Result<Epoch, StoreError> {
        self.with().await
    }
}

#[async_trait]
impl SaleArchive for Trouble {
    async fn create_sale(&self, _: &Sale, _: &Catalog) -> Result<bool, StoreError> {
        self.with().await
    }

    async fn sales(&self, _: SaleFilter) -> Result<Vec<Sale>, StoreError> {
        self.with().await
    }

    async fn sale(&self, _: SaleId) -> Result<Option<Sale>, StoreError> {
        self.with().await
    }

    async fn catalog(&self, _: SaleId) -> Result<Catalog, StoreError> {
        self.with().await
    }

    async fn end_sale(&self, _: SaleId, _: DateTime<Utc>) -> Result<Option<Sale>, StoreError> {
        self.with().await
    }

    async fn close_sale(&self, _: SaleId) -> Result<(), StoreError> {
        self.with().await
    }
}

#[async_trait]
impl PurchaseArchive for Trouble {
    async fn sold_by_code(&self, _: CheckoutCode) -> Result<Option<Decided>, StoreError> {
        self.with().await
    }

    async fn sold_by_request(&self, _: SaleId, _: &UserId, _: &RequestId) -> Result<Option<Decided>, StoreError> {
        self.with().await
    }

    async fn receipts_of(&self, _: &UserId, _: Option<SaleId>) -> Result<Vec<Receipt>, StoreError> {
        self.with().await
    }

    async fn sold_in(&self, _: SaleId) -> Result<Vec<Decided>, StoreError> {
        self.with().await
    }

    async fn audit(&self, _: SaleId) -> Result<Audit, StoreError> {
        self.with().await
    }
}

#[async_trait]
impl LedgerArchive for Trouble {
    async fn cursors(&self, _: SaleId) -> Result<Cursors, StoreError> {
        self.with().await
    }

    async fn persist(
        &self,
        _: Epoch,
        _: &Catalog,
        _: SaleId,
        _: LedgerId,
        _: &[LedgerEntry],
    ) -> Result<(), PersistError> {
        Ok(self.with().await?)
    }

    async fn reject(&self, _: Epoch, _: SaleId, _: LedgerId, _: &LedgerEntry, _: &Refused) -> Result<(), PersistError> {
        Ok(self.with().await?)
    }

    async fn rejections(&self, _: SaleId) -> Result<Vec<DeadLetter>, StoreError> {
        self.with().await
    }

    async fn unowned(&self, _: SaleId, _: LedgerId, _: &Sold) -> Result<Released, StoreError> {
        self.with().await
    }

    async fn mark_released(&self, _: SaleId, _: LedgerId) -> Result<(), StoreError> {
        self.with().await
    }

    async fn persist_attempts(&self, _: SaleId, _: LedgerId, _: LedgerId, _: &[Attempt]) -> Result<(), PersistError> {
        Ok(self.with().await?)
    }

    async fn add_refusals(&self, _: &[(RefusalKey, u64)]) -> Result<(), StoreError> {
        self.with().await
    }
}
