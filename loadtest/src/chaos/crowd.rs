//! The shoppers. Each buys in a loop, at the pace of a person in a hurry, from whichever instance answers.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::claims::Account;
use super::history::History;
use super::order::{CHARGING, DECLINED, OK, Order};
use super::purchase::{Answer, NOT_STARTED, PAUSE, Purchase};
use crate::api::{Cart, Sale};
use crate::client::{Client, Request};
use crate::outcome::{Operation, Outcome};

/// Attempts of a shopper for one purchase. What is still unknown is asked again at the end.
const ATTEMPTS: usize = 12;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(12);
/// Users who share their limit with many other requests, at the same time and on all instances.
const GREEDY_USERS: u32 = 8;
/// Items of the long sale that everybody wants.
pub const WANTED_ITEMS: u32 = 40;
/// Items of the long sale, with several units each. The first is kept for the probes of the supervisor.
pub const LONG_SALE_ITEMS: u32 = 300;

/// Everything that all shoppers share.
pub struct Crowd {
    pub history: RefCell<History>,
    pub clients: Vec<Rc<Client>>,
    pub long_sale: String,
    /// A sale whose purchases must be paid.
    pub order_sale: String,
    leaving: Cell<bool>,
    /// Nobody buys what must be paid.
    resting: Cell<bool>,
    requests: Cell<u64>,
    /// Different in each run, so that no request id repeats.
    run: String,
}

impl Crowd {
    pub fn new(clients: Vec<Rc<Client>>, long_sale: String, order_sale: String) -> Rc<Self> {
        let run = format!("{:08x}", rand::random::<u32>());
        let history = RefCell::new(History::new(vec![long_sale.clone(), order_sale.clone()]));
        let (leaving, resting, requests) = Default::default();
        Rc::new(Crowd { history, clients, long_sale, order_sale, leaving, resting, requests, run })
    }

    /// Lets this many shoppers buy until they leave.
    pub fn enter(self: &Rc<Self>, shoppers: u32, seed: u64) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for number in 0..shoppers {
            let rng = SmallRng::seed_from_u64(seed ^ (u64::from(number) << 32));
            let shopper = Shopper { crowd: self.clone(), rng: RefCell::new(rng) };
            tasks.spawn_local(async move { shopper.shop().await });
        }
        tasks
    }

    /// Lets the shoppers leave after their current purchase.
    pub fn leave(&self) {
        self.leaving.set(true);
    }

    /// Keeps the shoppers from buying what must be paid, or lets them again.
    pub fn rest(&self, is_resting: bool) {
        self.resting.set(is_resting);
    }

    /// Returns a name that this run has not used.
    pub fn new_name(&self) -> String {
        self.requests.set(self.requests.get() + 1);
        format!("{}-{}", self.run, self.requests.get())
    }
}

struct Shopper {
    crowd: Rc<Crowd>,
    rng: RefCell<SmallRng>,
}

impl Shopper {
    async fn shop(&self) {
        while !self.crowd.leaving.get() {
            let pause = Duration::from_millis(self.random(50..250));
            sleep(pause).await;
            let Some(items) = self.choose().await else { continue };
            let user = match self.random(0..10) {
                0 => format!("greedy-{}", self.random(0..GREEDY_USERS)),
                _ => self.crowd.new_name(),
            };
            if self.random(0..2) == 0 {
                self.buy_now(&user, &items[0]).await;
            } else if let Some(code) = self.check_out(&user, &items).await {
                self.buy(|| Purchase::of_cart(&user, code.clone())).await;
                let is_bought = self.crowd.history.borrow().receipts.contains_key(&code);
                if is_bought && items[0].starts_with(&self.crowd.order_sale) {
                    self.decide(Order { code, user }).await;
                }
            }
        }
    }

    /// Does with an order what buyers do: most pay, some are declined, some cancel, some walk away.
    async fn decide(&self, order: Order) {
        let (history, clients) = (&self.crowd.history, || self.client());
        match self.random(0..16) {
            0..6 => _ = order.pay(OK, clients, history).await,
            6 => _ = order.pay(CHARGING[self.random(0..CHARGING.len())], clients, history).await,
            7 => {
                order.pay(DECLINED, clients, history).await;
                order.pay(OK, clients, history).await;
            }
            8 => {
                for _ in 0..3 {
                    order.pay(DECLINED, clients, history).await;
                }
            }
            9 | 10 => {
                let pay = || order.pay(OK, clients, history);
                tokio::join!(pay(), pay(), pay());
            }
            11 | 12 => order.cancel(clients, history).await,
            13 => _ = tokio::join!(order.pay(OK, clients, history), order.cancel(clients, history)),
            _ => {}
        }
    }

    /// Chooses up to four items of the current sale or of the long one.
    async fn choose(&self) -> Option<Vec<String>> {
        let count = self.random(1..5);
        if self.random(0..3) == 0 {
            let last = if self.random(0..2) == 0 { WANTED_ITEMS } else { LONG_SALE_ITEMS };
            let first = self.random(2..=last - count);
            return Some((first..first + count).map(|item| format!("{}-{item:05}", self.crowd.long_sale)).collect());
        }
        if !self.crowd.resting.get() && self.random(0..3) == 0 {
            let last = if self.random(0..2) == 0 { WANTED_ITEMS } else { LONG_SALE_ITEMS };
            let first = self.random(2..=last - count);
            return Some((first..first + count).map(|item| format!("{}-{item:05}", self.crowd.order_sale)).collect());
        }
        let request = Request::get("/sales/active");
        let client = self.client();
        let response = timeout(ANSWER_TIMEOUT, client.send(Operation::Look, &request, Instant::now())).await.ok()?;
        if response.outcome != Outcome::Done {
            if response.problem.code.ends_with("not_found") {
                let note = format!("GET /sales/active: {}", response.problem.code);
                self.crowd.history.borrow_mut().record_false_refusal(note);
            }
            return None;
        }
        let sale: Sale = serde_json::from_slice(&response.body).ok()?;
        let first = self.random(0..sale.total_items - count);
        Some((first..first + count).map(|index| sale.item(index)).collect())
    }

    async fn check_out(&self, user: &str, items: &[String]) -> Option<String> {
        let lines: Vec<_> = items.iter().map(|id| json!({ "id": id, "quantity": 1 })).collect();
        let body = json!({ "user_id": user, "items": lines }).to_string();
        let request = Request::post("/checkout").json(body);
        let client = self.client();
        let (account, name, began) = (Account::of(user, &items[0]), self.crowd.new_name(), Instant::now());
        self.crowd.history.borrow_mut().claims.open(&account, &name, items.len() as u64);
        let send = async || {
            let sending = client.send(Operation::Checkout, &request, Instant::now());
            timeout(ANSWER_TIMEOUT, sending).await.ok()
        };
        let mut response = send().await?;
        if response.problem.code == NOT_STARTED {
            sleep(PAUSE).await;
            response = send().await?;
        }
        let history = &mut *self.crowd.history.borrow_mut();
        match (response.outcome, response.problem.code.as_str()) {
            (Outcome::Done, _) => {
                let code = serde_json::from_slice::<Cart>(&response.body).ok()?.code;
                history.record_cart(&code, items, began);
                return Some(code);
            }
            (Outcome::Refused(refusal), _) => {
                history.record_refusal_of(&account, began, refusal);
                history.claims.close(&account, &name);
                history.acknowledgements.record_refused(response.problem.unavailable);
            }
            (Outcome::TurnedAway | Outcome::Confirming, _) | (Outcome::Unexpected, "") => {}
            (Outcome::Unexpected, code) => history.record_false_refusal(format!("checkout of {items:?}: {code}")),
        }
        None
    }

    async fn buy_now(&self, user: &str, item: &str) {
        let request_id = self.crowd.new_name();
        self.buy(|| Purchase::of_item(user, item, request_id.clone())).await;
    }

    /// Buys. Some ask on several instances at once, and some ask again afterwards.
    async fn buy(&self, purchase: impl Fn() -> Purchase) {
        let history = &self.crowd.history;
        let known = |purchase: Purchase| purchase.until_known(|| self.client(), history, ATTEMPTS);
        let answer = match self.random(0..10) {
            0 => tokio::join!(known(purchase()), known(purchase()), known(purchase())).0,
            _ => known(purchase()).await,
        };
        if matches!(answer, Some(Answer::Receipt)) && self.random(0..10) == 0 {
            // The history notices another receipt, or a refusal.
            if let Some(Answer::Refused(code)) = known(purchase()).await {
                let note = format!("{code} for a purchase that was acknowledged");
                history.borrow_mut().record_false_refusal(note);
            }
        }
    }

    /// Returns the client of some instance.
    fn client(&self) -> Rc<Client> {
        self.crowd.clients[self.random(0..self.crowd.clients.len())].clone()
    }

    fn random<T, R>(&self, range: R) -> T
    where
        T: rand::distr::uniform::SampleUniform,
        R: rand::distr::uniform::SampleRange<T>,
    {
        self.rng.borrow_mut().random_range(range)
    }
}
