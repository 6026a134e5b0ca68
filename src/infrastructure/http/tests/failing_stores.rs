//! A shop whose stores fail, so that every answer is one without them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use crate::application::admission::memory::NoRooms;
use crate::application::admission::{RoomSettings, WaitingRooms};
use crate::application::ordering::Orders;
use crate::application::ordering::memory::MemoryOrders;
use crate::application::payment::Payments;
use crate::application::payment::memory::NoPayments;
use crate::application::sale::live_sale::LiveSale;
use crate::application::sale::ports::*;
use crate::application::sale::{Settings, Shop};
use crate::application::shared::StoreError;
use crate::domain::sale::*;
use crate::domain::shared::*;
use crate::infrastructure::payment::{NoProvider, PaymentSettings};

/// The way in which the stores fail.
#[derive(Debug, Clone, Copy)]
pub enum StoreFault {
    Fenced,
    Unreachable,
    Hanging,
    Panicking,
}

impl StoreFault {
    async fn with<T>(self) -> Result<T, StoreError> {
        match self {
            StoreFault::Fenced => Err(StoreError::Fenced),
            StoreFault::Unreachable => Err(StoreError::Unreachable("connection refused (10.0.0.7:6379)".into())),
            StoreFault::Hanging => std::future::pending().await,
            StoreFault::Panicking => panic!("the secret of the store"),
        }
    }
}

/// A shop with an open periodic sale of 20 items, of which number 7 is sold.
pub fn shop(fault: StoreFault) -> Arc<Shop> {
    let shop = empty_shop(fault);
    shop.sales.add(Arc::new(sale()));
    shop
}

/// The orders of a shop, and their payments.
pub fn payments(shop: Arc<Shop>) -> Arc<Payments> {
    let archive = Arc::new(MemoryOrders::default());
    let orders = Arc::new(Orders::new(archive.clone(), archive, shop));
    Arc::new(Payments::new(
        Arc::new(NoPayments),
        Arc::new(NoPayments),
        Arc::new(NoProvider),
        orders,
        PaymentSettings::NONE.times(),
    ))
}

/// Waiting rooms of a shop, none of which opens.
pub fn rooms(shop: Arc<Shop>) -> Arc<WaitingRooms> {
    Arc::new(WaitingRooms::new(shop, Arc::new(NoRooms), Arc::new(NoRooms), RoomSettings::default()))
}

/// A shop without a sale.
pub fn empty_shop(fault: StoreFault) -> Arc<Shop> {
    let settings = Settings {
        sale_every: Duration::from_secs(3600),
        sale_lead: Duration::from_secs(600),
        sale_items: 20,
        user_limit: 10,
        payment_window: None,
        waiting_room: false,
        ack_timeout: Duration::from_millis(100),
        cart_idle: Duration::from_secs(900),
        lag_limit: Duration::from_secs(1),
    };
    let store = Arc::new(fault);
    Arc::new(Shop::new(store.clone(), store.clone(), store, settings))
}

fn sale() -> LiveSale {
    // A long sale, so that it does not end in a test.
    let starts_at = Window::containing(Utc::now(), Duration::from_secs(3600)).starts_at;
    let window = Window::new(starts_at, starts_at + TimeDelta::days(1)).unwrap();
    let catalog = Catalog::generated(20).unwrap();
    let id = SaleId::hourly(starts_at);
    let sale = Sale::new(id, window, 10, &catalog);
    let purchase = Purchase {
        code: CheckoutCode::new(id, 1),
        user: "somebody".parse().unwrap(),
        request: None,
        units: vec![SoldUnit { ordinal: 7.try_into().unwrap(), unit: 1, slot: 1 }],
        missed: vec![],
    };
    let live = LiveSale::new(sale, Arc::new(catalog));
    live.fence.open(Epoch(1));
    live.apply(&[LedgerEntry { id: "1-1".parse().unwrap(), event: LedgerEvent::Sold(purchase) }]);
    live.refresh_filter();
    live
}

#[async_trait]
impl Decider for StoreFault {
    async fn checkout(
        &self,
        _: Epoch,
        _: &Catalog,
        _: &UserId,
        _: CheckoutCode,
        _: &[CartLine],
    ) -> Result<Cart, DecideError<CheckoutRefusal>> {
        Ok(self.with().await?)
    }

    async fn remove(&self, _: Epoch, _: CheckoutCode, _: Ordinal) -> Result<Cart, DecideError<RemoveRefusal>> {
        Ok(self.with().await?)
    }

    async fn purchase(&self, _: Epoch, _: &Claim, _: bool) -> Result<RecordedPurchase, DecideError<PurchaseRefusal>> {
        Ok(self.with().await?)
    }

    async fn buy_now(
        &self,
        _: Epoch,
        _: &Catalog,
        _: (&UserId, &RequestId),
        _: CheckoutCode,
        _: CartLine,
    ) -> Result<RecordedPurchase, DecideError<BuyNowRefusal>> {
        Ok(self.with().await?)
    }

    async fn find(&self, _: Epoch, _: CheckoutCode) -> Result<Option<Found>, StoreError> {
        self.with().await
    }

    async fn find_request(
        &self,
        _: Epoch,
        _: SaleId,
        _: &UserId,
        _: &RequestId,
    ) -> Result<Option<RecordedPurchase>, StoreError> {
        self.with().await
    }

    async fn release_all(&self, _: Epoch, _: SaleId, _: &[Release]) -> Result<Vec<Released>, StoreError> {
        self.with().await
    }
}

#[async_trait]
impl Lifecycle for StoreFault {
    async fn now(&self) -> Result<DateTime<Utc>, StoreError> {
        self.with().await
    }

    async fn open(&self, _: Epoch, _: &Stock) -> Result<(), StoreError> {
        self.with().await
    }

    async fn end(&self, _: Epoch, _: SaleId, _: DateTime<Utc>) -> Result<(), StoreError> {
        self.with().await
    }

    async fn seal(&self, _: Epoch, _: SaleId) -> Result<(), StoreError> {
        self.with().await
    }

    async fn forget_idle_carts(&self, _: Epoch, _: &Sale, _: Duration, _: u32) -> Result<(), StoreError> {
        self.with().await
    }

    async fn retire(&self, _: SaleId, _: DateTime<Utc>) -> Result<(), StoreError> {
        self.with().await
    }

    async fn drop_retired(&self, _: DateTime<Utc>) -> Result<(), StoreError> {
        self.with().await
    }
}

#[async_trait]
impl Restorer for StoreFault {
    async fn stored(&self, _: Epoch, _: SaleId, _: LedgerId) -> Result<StoredSale, StoreError> {
        self.with().await
    }

    async fn history(&self) -> Result<String, StoreError> {
        self.with().await
    }

    async fn fence(&self, _: Epoch, _: SaleId) -> Result<(), StoreError> {
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
}

#[async_trait]
impl Inspector for StoreFault {
    async fn has_state(&self, _: SaleId) -> Result<bool, StoreError> {
        self.with().await
    }

    async fn decides_as(&self, _: &Sale) -> Result<bool, StoreError> {
        self.with().await
    }

    async fn held(&self, _: SaleId, _: &Holdings) -> Result<Holdings, StoreError> {
        self.with().await
    }

    async fn scan(&self, _: SaleId, _: ScanPosition) -> Result<ScanPage, StoreError> {
        self.with().await
    }
}

#[async_trait]
impl Probe for StoreFault {
    async fn ping(&self) -> Result<(), StoreError> {
        self.with().await
    }
}

#[async_trait]
impl Ledger for StoreFault {
    async fn read(&self, _: SaleId, _: LedgerId, _: usize) -> Result<Vec<LedgerEntry>, StoreError> {
        self.with().await
    }

    async fn read_one(&self, _: SaleId, _: LedgerId) -> Result<Option<LedgerEntry>, StoreError> {
        self.with().await
    }

    async fn follow(&self, _: SaleId) -> Result<Box<dyn LedgerReader>, StoreError> {
        self.with().await
    }
}

#[async_trait]
impl AttemptLog for StoreFault {
    async fn read_attempts(&self, _: SaleId, _: LedgerId, _: usize) -> Result<Attempts, StoreError> {
        self.with().await
    }

    async fn count_attempts(&self, _: SaleId) -> Result<usize, StoreError> {
        self.with().await
    }

    async fn trim_attempts(&self, _: SaleId, _: LedgerId) -> Result<(), StoreError> {
        self.with().await
    }
}

#[async_trait]
impl Watermarks for StoreFault {
    async fn announce(&self, _: Watermark) -> Result<(), StoreError> {
        self.with().await
    }

    async fn subscribe(&self) -> Result<Box<dyn WatermarkSubscription>, StoreError> {
        self.with().await
    }
}

#[async_trait]
impl Coordination for StoreFault {
    async fn try_lock(&self, _: LockName) -> Result<Option<Box<dyn Lock>>, StoreError> {
        self.with().await
    }

    async fn now(&self) -> Result<DateTime<Utc>, StoreError> {
        self.with().await
    }

    async fn begin_epoch(&self, _: Epoch, _: &[SaleId]) -> Result<Epoch, StoreError> {
        self.with().await
    }

    async fn end_restoration(&self, _: Epoch) -> Result<(), StoreError> {
        self.with().await
    }
}

#[async_trait]
impl SaleArchive for StoreFault {
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

    async fn is_settled(&self, _: SaleId) -> Result<bool, StoreError> {
        self.with().await
    }

    async fn close_sale(&self, _: SaleId) -> Result<(), StoreError> {
        self.with().await
    }
}

#[async_trait]
impl PurchaseArchive for StoreFault {
    async fn purchase_by_code(&self, _: CheckoutCode) -> Result<Option<RecordedPurchase>, StoreError> {
        self.with().await
    }

    async fn purchase_by_request(
        &self,
        _: SaleId,
        _: &UserId,
        _: &RequestId,
    ) -> Result<Option<RecordedPurchase>, StoreError> {
        self.with().await
    }

    async fn purchases(&self, _: SaleId, _: &[LedgerId]) -> Result<Vec<RecordedPurchase>, StoreError> {
        self.with().await
    }

    async fn receipts_of(&self, _: &UserId, _: PurchasePage) -> Result<Vec<Receipt>, StoreError> {
        self.with().await
    }

    async fn entries_in(&self, _: SaleId, _: LedgerId, _: usize) -> Result<Vec<LedgerEntry>, StoreError> {
        self.with().await
    }

    async fn sold_by_minute(&self, _: SaleId) -> Result<Vec<MinuteSold>, StoreError> {
        self.with().await
    }

    async fn held(&self, _: SaleId, _: &Holdings) -> Result<Holdings, StoreError> {
        self.with().await
    }

    async fn check(&self, _: SaleId) -> Result<ArchiveFindings, StoreError> {
        self.with().await
    }
}

#[async_trait]
impl LedgerArchive for StoreFault {
    async fn cursors(&self, _: SaleId) -> Result<Cursors, StoreError> {
        self.with().await
    }

    async fn persist(&self, _: Epoch, _: SaleId, _: LedgerId, _: &[LedgerEntry]) -> Result<(), PersistError> {
        Ok(self.with().await?)
    }

    async fn reject(
        &self,
        _: Epoch,
        _: SaleId,
        _: LedgerId,
        _: &LedgerEntry,
        _: &Rejection,
    ) -> Result<(), PersistError> {
        Ok(self.with().await?)
    }

    async fn rejections(&self, _: SaleId) -> Result<Vec<RejectedEntry>, StoreError> {
        self.with().await
    }

    async fn unowned(&self, _: SaleId, _: LedgerId, _: &Purchase) -> Result<Release, StoreError> {
        self.with().await
    }

    async fn note_release(&self, _: SaleId, _: LedgerId, _: &str) -> Result<(), StoreError> {
        self.with().await
    }

    async fn mark_released(&self, _: SaleId, _: LedgerId) -> Result<(), StoreError> {
        self.with().await
    }
}

#[async_trait]
impl AttemptArchive for StoreFault {
    async fn persist_attempts(&self, _: SaleId, _: LedgerId, _: LedgerId, _: &[Attempt]) -> Result<(), PersistError> {
        Ok(self.with().await?)
    }

    async fn add_refusals(&self, _: &[(RefusalKey, u64)]) -> Result<(), StoreError> {
        self.with().await
    }
}
