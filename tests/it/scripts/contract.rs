//! The contract of the ports of a store that decides. Each test runs against Redis and against the store in memory.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use flashsale::application::sale::ports::*;
use flashsale::application::shared::StoreError;
use flashsale::domain::{sale::*, shared::*};

use super::subject::{MemorySubject, RedisSubject, Subject, holdings};
use super::{EPOCH, catalog, line, open_window, stock};

/// Runs each test against every store.
macro_rules! contract {
    ($($test:ident),* $(,)?) => {
        mod redis {
            use super::*;

            $(#[tokio::test]
            async fn $test() {
                super::$test(Fixture::new(&RedisSubject::start().await).await).await;
            })*
        }

        mod memory {
            use super::*;

            $(#[tokio::test]
            async fn $test() {
                super::$test(Fixture::new(&MemorySubject::start()).await).await;
            })*
        }
    };
}

mod lifecycle;
mod records;
mod restoring;
mod selling;

/// An open sale of items with these stocks: 1, 1, 2, 5, 12. A user may own four units.
struct Fixture<'a> {
    subject: &'a dyn Subject,
    stock: Stock,
    id: SaleId,
}

fn ordinals(items: &[u32]) -> Vec<Ordinal> {
    items.iter().map(|item| (*item).try_into().unwrap()).collect()
}

fn lines(lines: &[(u32, u32)]) -> Vec<CartLine> {
    lines.iter().map(|(item, quantity)| line(*item, *quantity)).collect()
}

fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

fn request(name: &str) -> RequestId {
    name.parse().unwrap()
}

#[track_caller]
fn refused<T: std::fmt::Debug, R>(result: Result<T, DecideError<R>>) -> R {
    match result {
        Err(DecideError::Refused(refusal)) => refusal,
        Err(DecideError::Failed(error)) => panic!("{error:?}"),
        Ok(done) => panic!("{done:?}"),
    }
}

fn is_fenced<T, R>(result: Result<T, DecideError<R>>) -> bool {
    matches!(result, Err(DecideError::Failed(StoreError::Fenced)))
}

impl<'a> Fixture<'a> {
    async fn new(subject: &'a dyn Subject) -> Self {
        let store = subject.store();
        store.ping().await.unwrap();
        store.load_scripts(EPOCH).await.unwrap();
        let now = store.now().await.unwrap();
        let id = SaleId::special(now, 7);
        let stock = stock(id, open_window(now), 4);
        store.open(EPOCH, &stock).await.unwrap();
        Fixture { subject, stock, id }
    }

    fn store(&self) -> &'a dyn Store {
        self.subject.store()
    }

    fn code(&self, secret: u128) -> CheckoutCode {
        CheckoutCode::new(self.id, secret)
    }

    async fn checkout(
        &self,
        name: &str,
        secret: u128,
        wanted: &[(u32, u32)],
    ) -> Result<Cart, DecideError<CheckoutRefusal>> {
        self.store().checkout(EPOCH, &catalog(), &user(name), self.code(secret), &lines(wanted)).await
    }

    /// Puts items into a cart and buys it.
    async fn buy(&self, name: &str, secret: u128, wanted: &[(u32, u32)]) -> RecordedPurchase {
        let cart = self.checkout(name, secret, wanted).await.unwrap();
        self.store().purchase(EPOCH, &cart.code.into(), false).await.unwrap()
    }

    async fn buy_now(
        &self,
        name: &str,
        id: &str,
        secret: u128,
        wanted: (u32, u32),
    ) -> Result<RecordedPurchase, DecideError<BuyNowRefusal>> {
        let wanted = line(wanted.0, wanted.1);
        self.store().buy_now(EPOCH, &catalog(), (&user(name), &request(id)), self.code(secret), wanted).await
    }

    async fn release(&self, release: &Release) -> Result<LedgerId, DecideError<ReleaseRefusal>> {
        self.store().release(EPOCH, self.id, release).await
    }

    async fn ledger(&self) -> Vec<LedgerEntry> {
        self.store().read(self.id, LedgerId::ZERO, 1_000).await.unwrap()
    }

    async fn holdings(&self) -> Holdings {
        holdings(self.store(), self.id).await
    }

    async fn sold(&self, item: u32) -> BTreeSet<u32> {
        self.holdings().await.units.get(&item.try_into().unwrap()).cloned().unwrap_or_default()
    }

    /// Moves the window so that it is in this state.
    async fn set_status(&self, status: SaleStatus) {
        let Window { starts_at, ends_at } = self.stock.sale.window;
        let moved = match status {
            SaleStatus::Scheduled => TimeDelta::hours(1),
            SaleStatus::Open => TimeDelta::zero(),
            SaleStatus::Ended => TimeDelta::hours(-1),
        };
        self.subject.set_window(self.id, Window::new(starts_at + moved, ends_at + moved).unwrap()).await;
    }
}
