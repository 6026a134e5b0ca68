//! Tests of the use cases over stores in memory: no I/O, milliseconds each.

mod attempts;
mod audit;
mod buy_now;
mod checkout;
mod create_sale;
mod follow;
mod persist;
mod purchase;
mod recover;
mod schedule;
mod void;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::findings::Findings;
use super::live_sale::LiveSale;
use super::memory::{MemoryArchive, MemoryStore};
use super::pace::Pace;
use super::persist::{LedgerWriter, Progress};
use super::ports::{LedgerArchive, PersistError, RejectionReason};
use super::projection::Projection;
use super::purchase::PurchaseOutcome;
use super::recover::Recovered;
use super::{Settings, Shop};
use crate::domain::sale::{ItemRef, Quantity, Receipt, Sale};
use crate::domain::shared::{CheckoutCode, LedgerId, RequestId, UserId};

/// One instance over stores in memory, at half past nine, in a sale of 20 items from nine to ten.
struct World {
    store: MemoryStore,
    archive: MemoryArchive,
    shop: Shop,
}

/// Short enough for a test that waits for it.
const ACK_TIMEOUT: Duration = Duration::from_millis(5);

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(60);

fn settings() -> Settings {
    Settings {
        sale_every: Duration::from_secs(3_600),
        sale_lead: Duration::from_secs(300),
        sale_items: 20,
        user_limit: 4,
        payment_window: None,
        waiting_room: false,
        ack_timeout: ACK_TIMEOUT,
        cart_idle: LONG,
        lag_limit: LONG,
    }
}

fn at(time: &str) -> DateTime<Utc> {
    format!("2026-11-20T{time}Z").parse().unwrap()
}

fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

fn request(id: &str) -> RequestId {
    id.parse().unwrap()
}

/// An item of the current sale, by its number.
fn item(number: u32) -> ItemRef {
    ItemRef::InCurrentSale(number.try_into().unwrap())
}

fn shop(store: &MemoryStore, archive: &MemoryArchive, settings: Settings) -> Shop {
    let (store, archive) = (Arc::new(store.clone()), Arc::new(archive.clone()));
    let shop = Shop::new(store, archive.clone(), archive, settings);
    shop.clock.set_host(at("09:30:00"));
    shop
}

/// Makes an instance know its sales and decide in them.
async fn start(shop: &Shop) -> Recovered {
    shop.keep_schedule().await.unwrap();
    shop.recover().await.unwrap()
}

#[track_caller]
fn durable(outcome: PurchaseOutcome) -> Receipt {
    match outcome {
        PurchaseOutcome::Durable { receipt, .. } => receipt,
        PurchaseOutcome::Confirming(code) => panic!("{code} is not durable yet"),
    }
}

impl World {
    /// Stores without a sale, and an instance that has just started.
    fn started(settings: Settings) -> Self {
        World::over(MemoryArchive::default(), settings)
    }

    /// An empty store before this archive, and an instance that has just started.
    fn over(archive: MemoryArchive, settings: Settings) -> Self {
        let store = MemoryStore::new(at("09:30:00"));
        archive.set_time(at("09:30:00"));
        let shop = shop(&store, &archive, settings);
        World { store, archive, shop }
    }

    /// An instance that sells.
    async fn open() -> Self {
        World::open_with(|_| {}).await
    }

    async fn open_with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = settings();
        change(&mut settings);
        let world = World::started(settings);
        start(&world.shop).await;
        for sale in world.shop.sales.all_live() {
            sale.replace(Projection::new(&sale.catalog));
        }
        world
    }

    /// Another instance over the same stores.
    fn other(&self) -> Shop {
        let other = shop(&self.store, &self.archive, self.shop.settings.clone());
        other.clock.set_host(self.shop.clock.now());
        other
    }

    fn sale(&self) -> Arc<LiveSale> {
        self.shop.current_sale().unwrap()
    }

    /// Sets all clocks.
    fn set_time(&self, time: &str) {
        self.set_now(at(time));
    }

    fn set_now(&self, now: DateTime<Utc>) {
        self.store.set_time(now);
        self.archive.set_time(now);
        self.shop.clock.set_host(now);
        self.shop.clock.set(now);
    }

    /// Puts items into a cart and returns its code.
    async fn cart(&self, name: &str, items: &[u32]) -> CheckoutCode {
        let items: Vec<_> = items.iter().map(|number| (item(*number), Quantity::ONE)).collect();
        self.shop.checkout(&user(name), &items).await.unwrap().cart.code
    }

    /// Decides a purchase and returns its code. Nothing is archived.
    async fn decide(&self, name: &str, items: &[u32]) -> CheckoutCode {
        let code = self.cart(name, items).await;
        match self.shop.purchase(code, false).await.unwrap() {
            PurchaseOutcome::Confirming(confirming) => assert_eq!(confirming, code),
            PurchaseOutcome::Durable { .. } => panic!("nothing was archived"),
        }
        code
    }

    /// Sells items, durably, and shows them to the instance.
    async fn sell(&self, name: &str, items: &[u32]) -> Receipt {
        let code = self.decide(name, items).await;
        let sale = self.sale();
        self.write(&sale).await;
        self.read_ledger(&sale).await;
        durable(self.shop.purchase(code, false).await.unwrap())
    }

    /// Archives the ledger of a sale up to its end.
    async fn write(&self, sale: &LiveSale) {
        let mut writer = LedgerWriter::new(sale.fence.epoch().unwrap());
        while writer.step(&self.shop, sale).await.unwrap() == Progress::More {}
    }

    /// Brings the projection and the filter up to date.
    async fn read_ledger(&self, sale: &LiveSale) {
        let after = sale.projection().as_of();
        sale.apply(&self.shop.store.read(sale.id(), after, 1_000).await.unwrap());
        sale.refresh_filter();
    }

    /// Returns the units of an item that the store would sell.
    fn free(&self, number: u32) -> Vec<u32> {
        let ordinal = number.try_into().unwrap();
        let sale = self.sale();
        let stock = sale.catalog.item(ordinal).unwrap().stock();
        self.store.edit(sale.id(), |state| {
            let sold = state.holdings.units.get(&ordinal);
            (1..=stock).filter(|unit| !sold.is_some_and(|sold| sold.contains(unit))).collect()
        })
    }

    /// Makes the store believe that this item is free.
    fn free_again(&self, number: u32) {
        let ordinal = number.try_into().unwrap();
        self.store.edit(self.sale().id(), |stock| stock.holdings.units.get_mut(&ordinal).unwrap().remove(&1));
    }

    async fn verify(&self, sale: &Sale) -> Findings {
        self.shop.verify(sale, &mut Pace::without_pauses()).await.unwrap()
    }

    async fn archived(&self) -> LedgerId {
        self.archive.cursors(self.sale().id()).await.unwrap().ledger
    }
}
