//! The stores that decide against `Stock`, the same rules in plain Rust: the same operations in the same order must give
//! the same answers and leave the same state. The Lua scripts are one such store.

mod contract;
mod subject;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use flashsale::application::sale::ports::{DecideError, Found, RecordedPurchase};
use flashsale::domain::sale::{Cart, Decision};
use flashsale::domain::shared::Epoch;
use flashsale::domain::{sale::*, shared::*};
use futures::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use strum::VariantArray;

use subject::{MemorySubject, RedisSubject, Subject, holdings};

const EPOCH: Epoch = Epoch(1);

/// Items of the sale, by their stock.
const STOCKS: [u32; 5] = [1, 1, 2, 5, 12];
const USERS: [&str; 4] = ["ann", "bob:1", "cat@home", "dan"];
/// Some are marks that the ledger uses, which are names like any other.
const REQUESTS: [&str; 5] = ["r1", "-", "=", "=-", "\"r3\""];

#[derive(Debug, Clone)]
enum Step {
    /// Checkouts at the same time: by user, with items and quantities.
    Checkouts(Vec<(usize, Vec<(u32, u32)>)>),
    Remove {
        cart: usize,
        item: u32,
    },
    /// Purchases at the same time: of carts, partial or not.
    Purchases(Vec<(usize, bool)>),
    /// Purchases without a cart at the same time: user, request, item, quantity.
    BuyNows(Vec<(usize, usize, u32, u32)>),
    Find {
        cart: usize,
    },
    FindRequest {
        user: usize,
        request: usize,
    },
    /// A purchase gives its units back. If PostgreSQL rejected it, the unit that is kept, if any, belongs to another user.
    Release {
        purchase: usize,
        kept: usize,
        reason: ReleaseReason,
    },
    /// The store is rebuilt from what PostgreSQL has: every purchase and release.
    Restore,
    /// The idle carts are forgotten, and all others are idle.
    ForgetIdleCarts,
    /// Time passes: the sale is scheduled, open or over.
    Time(SaleStatus),
}

fn step() -> impl Strategy<Value = Step> {
    let item = 1..=STOCKS.len() as u32 + 1;
    let line = (item.clone(), prop_oneof![6 => 1..=3u32, 1 => 1..=10u32]);
    let lines = prop::collection::vec(line, 1..4);
    let time = prop_oneof![4 => Just(SaleStatus::Open), 1 => Just(SaleStatus::Scheduled), 1 => Just(SaleStatus::Ended)];
    let (user, request, cart) = (0..USERS.len(), 0..REQUESTS.len(), 0..8usize);
    prop_oneof![
        8 => group((user.clone(), lines)).prop_map(Step::Checkouts),
        2 => (cart.clone(), item.clone()).prop_map(|(cart, item)| Step::Remove { cart, item }),
        8 => group((cart.clone(), any::<bool>())).prop_map(Step::Purchases),
        4 => group((user.clone(), request.clone(), item, prop_oneof![6 => 1..=4u32, 1 => 5..=10u32])).prop_map(Step::BuyNows),
        2 => cart.prop_map(|cart| Step::Find { cart }),
        1 => (user, request).prop_map(|(user, request)| Step::FindRequest { user, request }),
        3 => (0..8usize, 0..4usize, prop::sample::select(ReleaseReason::VARIANTS))
            .prop_map(|(purchase, kept, reason)| Step::Release { purchase, kept, reason }),
        1 => Just(Step::Restore),
        2 => Just(Step::ForgetIdleCarts),
        1 => time.prop_map(Step::Time),
    ]
}

/// Mostly one request, sometimes several at the same time.
fn group<T: Strategy + 'static>(request: T) -> impl Strategy<Value = Vec<T::Value>> {
    let request = request.boxed();
    let several = prop::collection::vec(request.clone(), 2..8);
    let beyond_one_call = prop::collection::vec(request.clone(), 20..50);
    prop_oneof![8 => request.prop_map(|request| vec![request]), 4 => several, 1 => beyond_one_call]
}

/// One sale, in the store and in the model.
struct Pair<'a> {
    subject: &'a dyn Subject,
    model: Stock,
    now: DateTime<Utc>,
    /// The last ledger entry.
    last: LedgerId,
    /// Every code that was made, bought or not.
    codes: Vec<CheckoutCode>,
    next_code: u128,
}

impl<'a> Pair<'a> {
    async fn open(subject: &'a dyn Subject, user_limit: u32) -> Self {
        // A sale of its own for each case.
        static CASES: AtomicI64 = AtomicI64::new(0);
        let case = CASES.fetch_add(1, Ordering::Relaxed);
        let now = subject.store().now().await.unwrap();
        let id = SaleId::special(now - TimeDelta::seconds(case), case as u16);
        let model = stock(id, open_window(now), user_limit);
        subject.store().open(EPOCH, &model).await.unwrap();
        Pair { subject, now, model, last: LedgerId::ZERO.next(), codes: Vec::new(), next_code: 1 }
    }

    fn new_code(&mut self) -> CheckoutCode {
        self.next_code += 1;
        CheckoutCode::new(self.model.sale.id, self.next_code)
    }

    /// A code that was made, or one that was not.
    fn code(&self, index: usize) -> CheckoutCode {
        self.codes.get(index).copied().unwrap_or(CheckoutCode::new(self.model.sale.id, 0))
    }

    fn append(&mut self, id: LedgerId, sold: Purchase) {
        self.model.apply(&LedgerEntry { id, event: LedgerEvent::Sold(sold) });
    }

    async fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Checkouts(checkouts) => self.checkouts(checkouts).await,
            Step::Remove { cart, item } => self.remove(*cart, *item).await,
            Step::Purchases(purchases) => self.purchases(purchases).await,
            Step::BuyNows(purchases) => self.buy_nows(purchases).await,
            Step::Find { cart } => self.find(*cart).await,
            Step::FindRequest { user, request } => self.find_request(*user, *request).await,
            Step::Release { purchase, kept, reason } => self.release(*purchase, *kept, *reason).await,
            Step::Restore => self.restore().await,
            Step::ForgetIdleCarts => self.forget_idle_carts().await,
            Step::Time(status) => {
                self.set_time(*status).await;
                Ok(())
            }
        }
    }

    async fn checkouts(&mut self, checkouts: &[(usize, Vec<(u32, u32)>)]) -> Result<(), TestCaseError> {
        let mut requests: Vec<(UserId, CheckoutCode, Vec<CartLine>)> = Vec::new();
        for (user, lines) in checkouts {
            let mut wanted: Vec<CartLine> = Vec::new();
            for (item, quantity) in lines {
                let line = line(*item, *quantity);
                if !wanted.iter().any(|other| other.ordinal == line.ordinal) {
                    wanted.push(line);
                }
            }
            requests.push((USERS[*user].parse().unwrap(), self.new_code(), wanted));
        }
        let (store, catalog) = (self.subject.store(), catalog());
        let calls = requests.iter().map(|(user, code, wanted)| store.checkout(EPOCH, &catalog, user, *code, wanted));
        let real = join_all(calls).await;
        for ((user, new_code, wanted), real) in requests.into_iter().zip(real) {
            let expected = self.model.checkout(self.now, &user, new_code, &wanted);
            if let Ok(Cart { code, .. }) = &expected
                && !self.codes.contains(code)
            {
                self.codes.push(*code);
            }
            prop_assert_eq!(decided(real), expected);
        }
        Ok(())
    }

    async fn remove(&mut self, cart: usize, item: u32) -> Result<(), TestCaseError> {
        let (code, ordinal) = (self.code(cart), Ordinal::try_from(item).unwrap());
        let real = self.subject.store().remove(EPOCH, code, ordinal).await;
        prop_assert_eq!(decided(real), self.model.remove(self.now, code, ordinal));
        Ok(())
    }

    async fn purchases(&mut self, purchases: &[(usize, bool)]) -> Result<(), TestCaseError> {
        let requests: Vec<_> =
            purchases.iter().map(|(cart, partial)| (Claim::from(self.code(*cart)), *partial)).collect();
        let store = self.subject.store();
        let real = join_all(requests.iter().map(|(claim, partial)| store.purchase(EPOCH, claim, *partial))).await;
        for ((claim, partial), real) in requests.into_iter().zip(real) {
            match (decided(real), self.model.purchase(self.now, &claim, partial)) {
                (Ok(real), Ok(expected)) => self.same_purchase(real, expected)?,
                (real, expected) => prop_assert_eq!(real.err(), expected.err()),
            }
        }
        Ok(())
    }

    async fn buy_nows(&mut self, purchases: &[(usize, usize, u32, u32)]) -> Result<(), TestCaseError> {
        let mut requests: Vec<(UserId, RequestId, CheckoutCode, CartLine)> = Vec::new();
        for (user, request, item, quantity) in purchases {
            let (user, request) = (USERS[*user].parse().unwrap(), REQUESTS[*request].parse().unwrap());
            requests.push((user, request, self.new_code(), line(*item, *quantity)));
        }
        let (store, catalog) = (self.subject.store(), catalog());
        let calls = requests
            .iter()
            .map(|(user, request, code, wanted)| store.buy_now(EPOCH, &catalog, (user, request), *code, *wanted));
        for ((user, request, code, wanted), real) in requests.iter().zip(join_all(calls).await) {
            match (decided(real), self.model.buy_now(self.now, user, request, *code, *wanted)) {
                (Ok(real), Ok(expected)) => {
                    self.codes.push(real.purchase.code);
                    self.same_purchase(real, expected)?;
                }
                (real, expected) => prop_assert_eq!(real.err(), expected.err()),
            }
        }
        Ok(())
    }

    fn same_purchase(&mut self, real: RecordedPurchase, expected: Decision) -> Result<(), TestCaseError> {
        match expected {
            Decision::New(purchase) => {
                prop_assert!(!real.replayed);
                prop_assert_eq!(&real.purchase, &purchase);
                prop_assert!(self.last.precedes(real.id), "{} does not follow {}", real.id, self.last);
                self.last = real.id;
                self.append(real.id, purchase);
            }
            Decision::Replayed(id) => {
                prop_assert!(real.replayed);
                prop_assert_eq!((real.id, &real.purchase), (id, &self.model.purchases[&id]));
            }
        }
        Ok(())
    }

    async fn find(&self, cart: usize) -> Result<(), TestCaseError> {
        let code = self.code(cart);
        match (self.subject.store().find(EPOCH, code).await.unwrap(), self.model.holdings.receipts.get(&code)) {
            (Some(Found::Purchase(real)), Some(id)) => {
                prop_assert_eq!((real.id, &real.purchase), (*id, &self.model.purchases[id]));
            }
            (Some(Found::Cart(real)), None) => prop_assert_eq!(Some(&real), self.model.carts.get(&code)),
            (None, None) => prop_assert!(!self.model.carts.contains_key(&code)),
            (real, expected) => prop_assert!(false, "{:?} instead of {:?}", real, expected),
        }
        Ok(())
    }

    async fn find_request(&self, user: usize, request: usize) -> Result<(), TestCaseError> {
        let (user, request): (UserId, RequestId) = (USERS[user].parse().unwrap(), REQUESTS[request].parse().unwrap());
        let real = self.subject.store().find_request(EPOCH, self.model.sale.id, &user, &request).await.unwrap();
        prop_assert_eq!(real.map(|real| real.id), self.model.holdings.requests.get(&(user, request)).copied());
        Ok(())
    }

    async fn release(&mut self, purchase: usize, kept: usize, reason: ReleaseReason) -> Result<(), TestCaseError> {
        let Some((id, sold)) = self.model.purchases.iter().nth(purchase) else { return Ok(()) };
        let mut release = Release::of(*id, sold, reason);
        if reason == ReleaseReason::Rejected && kept < release.units.len() {
            release.units.remove(kept);
            release.slots.remove(kept);
        }
        let (store, sale) = (self.subject.store(), self.model.sale.id);
        for _again in 0..2 {
            let real = decided(store.release(EPOCH, sale, &release).await);
            match (real, self.model.release(&release)) {
                (Ok(id), Ok(())) => {
                    prop_assert!(self.last.precedes(id), "{} does not follow {}", id, self.last);
                    self.last = id;
                    let entry = LedgerEntry { id, event: LedgerEvent::Released(release.clone()) };
                    prop_assert_eq!(store.read_one(sale, id).await.unwrap(), Some(entry.clone()));
                    self.model.apply(&entry);
                }
                (real, expected) => prop_assert_eq!(real.err(), expected.err()),
            }
        }
        Ok(())
    }

    async fn restore(&mut self) -> Result<(), TestCaseError> {
        let (store, sale) = (self.subject.store(), &self.model.sale);
        let rebuilt = Stock::with_entries(sale.clone(), &catalog(), self.model.entries());
        let rebuilt = rebuilt.map_err(|broken| TestCaseError::fail(broken.to_string()))?;
        store.fence(EPOCH, sale.id).await.unwrap();
        store.restore(EPOCH, &rebuilt, self.last, LedgerId::ZERO).await.unwrap();
        // A kept unit has no owner among the purchases of the test.
        self.model.holdings = rebuilt.holdings;
        Ok(())
    }

    async fn forget_idle_carts(&mut self) -> Result<(), TestCaseError> {
        let (store, sale) = (self.subject.store(), &self.model.sale);
        // A crowd of nobody is there at any time.
        store.forget_idle_carts(EPOCH, sale, Duration::MAX, 0).await.unwrap();
        self.model.forget_idle_carts();
        Ok(())
    }

    /// Moves the window of the sale, because the clock of Redis cannot be moved.
    async fn set_time(&mut self, status: SaleStatus) {
        let hour = TimeDelta::hours(1);
        self.now = self.subject.store().now().await.unwrap();
        let open = open_window(self.now);
        let moved = match status {
            SaleStatus::Scheduled => hour,
            SaleStatus::Open => TimeDelta::zero(),
            SaleStatus::Ended => -hour,
        };
        self.model.sale.window = Window::new(open.starts_at + moved, open.ends_at + moved).unwrap();
        self.subject.set_window(self.model.sale.id, self.model.sale.window).await;
    }

    /// Checks that the store holds what the model holds and what the ledger says.
    async fn same_state(&self) -> Result<(), TestCaseError> {
        let store = self.subject.store();
        let held = holdings(store, self.model.sale.id).await;
        prop_assert_eq!(self.model.holdings.drift(&held), 0, "{:?}", held);
        prop_assert_eq!(store.held(self.model.sale.id, &held).await.unwrap().drift(&held), 0);
        let ledger = store.read(self.model.sale.id, LedgerId::ZERO, 1_000).await.unwrap();
        let purchases: BTreeMap<LedgerId, &Purchase> = ledger
            .iter()
            .filter_map(|entry| match &entry.event {
                LedgerEvent::Sold(sold) => Some((entry.id, sold)),
                _ => None,
            })
            .collect();
        for (id, sold) in &self.model.purchases {
            prop_assert_eq!(purchases.get(id), Some(&sold));
        }
        for cart in 0..self.codes.len() {
            self.find(cart).await?;
        }
        for (user, code) in &self.model.codes {
            prop_assert_eq!(&self.model.carts[code].user, user);
        }
        Ok(())
    }
}

fn line(item: u32, quantity: u32) -> CartLine {
    CartLine { ordinal: Ordinal::try_from(item).unwrap(), quantity: Quantity::try_from(quantity).unwrap() }
}

fn decided<T, R>(result: Result<T, DecideError<R>>) -> Result<T, R> {
    result.map_err(|error| match error {
        DecideError::Refused(refusal) => refusal,
        DecideError::Failed(error) => panic!("{error:?}"),
    })
}

/// The window of an hour in the middle of which it is `now`.
fn open_window(now: DateTime<Utc>) -> Window {
    let half = TimeDelta::minutes(30);
    Window::new(now - half, now + half).unwrap()
}

/// The items of the sale.
fn catalog() -> Catalog {
    let item = |stock: &u32| Item::new("Lamp".into(), "/l.jpg".into(), Money::from_cents(100), *stock).unwrap();
    Catalog::new(Currency::EUR, STOCKS.iter().map(item).collect()).unwrap()
}

/// A sale with nothing sold.
fn stock(id: SaleId, window: Window, user_limit: u32) -> Stock {
    let catalog = catalog();
    Stock::new(Sale::new(id, window, user_limit, &catalog), &catalog)
}

#[test]
fn the_scripts_decide_as_the_model_does() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    decides_as_the_model_does(&runtime, &runtime.block_on(RedisSubject::start()), 3_000);
}

#[test]
fn the_memory_store_decides_as_the_model_does() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    decides_as_the_model_does(&runtime, &MemorySubject::start(), 300);
}

fn decides_as_the_model_does(runtime: &tokio::runtime::Runtime, subject: &dyn Subject, cases: u32) {
    runtime.block_on(subject.store().load_scripts(EPOCH)).unwrap();
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let sequences = (prop_oneof![2 => Just(10u32), 1 => 1..=6u32], prop::collection::vec(step(), 1..40));
    let result = TestRunner::new(config).run(&sequences, |(user_limit, steps)| {
        runtime.block_on(async {
            let mut pair = Pair::open(subject, user_limit).await;
            for step in &steps {
                pair.step(step).await?;
            }
            pair.same_state().await
        })
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
