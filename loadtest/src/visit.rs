//! One visit of one shopper, from the first request until the shopper buys or leaves.

use std::rc::Rc;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, sleep_until};

use crate::api::{Items, Sale};
use crate::client::{Request, Response};
use crate::context::RunContext;
use crate::outcome::{Operation, Outcome};
use crate::popularity;
use crate::profiles::{self, Profile};
use crate::purchase::PurchaseRequest;
use crate::recorder::Funnel;

/// Items on a page that a shopper sees.
const ITEMS_PER_PAGE: u32 = 20;
/// Retries of a request that got 503 or 429.
const TURNED_AWAY_RETRIES: usize = 2;

/// A shopper during one visit. The shopper leaves after a step that returns `None`.
pub struct Shopper {
    pub context: Rc<RunContext>,
    pub user: String,
    pub rng: SmallRng,
    /// The time at which the next request is due.
    pub due: Instant,
    profile: usize,
}

impl Shopper {
    /// Creates a shopper with this profile who arrives at this time.
    pub fn arrive(context: &Rc<RunContext>, profile: usize, due: Instant) -> Self {
        let mut rng = context.next_rng();
        let returning = if rng.random_bool(profiles::RETURNING) { context.returning_user() } else { None };
        let user = returning.unwrap_or_else(|| context.new_user());
        Shopper { context: context.clone(), user, rng, due, profile }
    }

    /// Shops and leaves. Returns the time at which the next visit is due.
    pub async fn visit(mut self) -> Instant {
        self.update_funnel(|funnel| funnel.visits += 1);
        if let Some(()) = self.shop().await {
            self.update_funnel(|funnel| funnel.bought += 1);
        }
        let rest = self.think_time() * 2;
        self.context.add_returning_user(self.user);
        Instant::now() + rest
    }

    async fn shop(&mut self) -> Option<()> {
        let sale = self.active_sale().await?;
        let wanted = self.choose(&sale).await?;
        self.update_funnel(|funnel| funnel.chose_items += 1);
        if !self.rng.random_bool(self.profile().checkout) {
            return None;
        }
        self.think().await?;
        let buys = self.rng.random_bool(self.profile().purchase);
        if buys && self.rng.random_bool(profiles::BUYS_NOW) {
            self.update_funnel(|funnel| funnel.checked_out += 1);
            let purchase = PurchaseRequest::item(&self.user, wanted.first()?, &mut self.rng);
            return self.buy(purchase).await;
        }
        let code = self.fill_cart(&sale, wanted).await?;
        self.update_funnel(|funnel| funnel.checked_out += 1);
        if !buys {
            return None;
        }
        self.think().await?;
        if self.rng.random_bool(profiles::REVIEWS) {
            self.send(Operation::Review, &Request::get(format!("/checkout/{code}"))).await;
            self.think().await?;
        }
        let partial = self.rng.random_bool(profiles::PARTIAL);
        self.buy(PurchaseRequest::cart(code, partial)).await
    }

    async fn active_sale(&mut self) -> Option<Sale> {
        let response = self.send(Operation::Look, &Request::get("/sales/active")).await;
        self.parse(&response)
    }

    /// Chooses items: from a page of available items, or without looking if the shopper knows what to buy.
    async fn choose(&mut self, sale: &Sale) -> Option<Vec<String>> {
        let wanted = match self.rng.random_bool(profiles::LARGE_CART) {
            true => self.rng.random_range(4..=10),
            false => self.rng.random_range(1..=3),
        };
        if self.rng.random_bool(self.profile().decided) {
            let indexes = popularity::popular_indexes(&mut self.rng, sale.total_items, wanted);
            return Some(indexes.into_iter().map(|index| sale.item(index)).collect());
        }
        self.think().await?;
        self.choose_from_available(sale, wanted).await
    }

    /// Chooses from a page of available items. Returns `None` if nothing is left.
    pub async fn choose_from_available(&mut self, sale: &Sale, wanted: usize) -> Option<Vec<String>> {
        let mut page = popularity::popular_index(&mut self.rng, sale.items_remaining) / ITEMS_PER_PAGE + 1;
        loop {
            let path = format!("/sales/{}/items?available=true&per_page={ITEMS_PER_PAGE}&page={page}", sale.id);
            let response = self.send(Operation::Look, &Request::get(path)).await;
            let shown: Items = self.parse(&response)?;
            if shown.total == 0 {
                return None;
            }
            if !shown.items.is_empty() {
                return Some(shown.items.sample(&mut self.rng, wanted).map(|item| item.id.clone()).collect());
            }
            // The page is past the end, because items were sold meanwhile. Choose another page.
            page = popularity::popular_index(&mut self.rng, shown.total) / ITEMS_PER_PAGE + 1;
        }
    }

    /// Waits for the think time. Returns `None` if the run ends before.
    pub async fn think(&mut self) -> Option<()> {
        self.due = Instant::now() + self.think_time();
        self.wait_until_due().await
    }

    /// Waits until the next request is due, and records the lateness of the load generator.
    pub async fn wait_until_due(&self) -> Option<()> {
        if self.due >= self.context.ends_at() {
            return None;
        }
        sleep_until(self.due).await;
        let late = self.due.elapsed();
        self.context.recorder.update(|totals| totals.lateness.record(late));
        Some(())
    }

    /// Sends a request, and retries it after 503 or 429. The next request is due when the response is there.
    pub async fn send(&mut self, operation: Operation, request: &Request) -> Response {
        let mut response = self.context.client.send(operation, request, self.due).await;
        for _ in 0..TURNED_AWAY_RETRIES {
            if response.outcome == Outcome::TurnedAway {
                sleep(response.retry_after()).await;
                response = self.context.client.send(operation, request, Instant::now()).await;
            }
        }
        self.due = Instant::now();
        response
    }

    /// Parses the body of a successful response.
    pub fn parse<T: DeserializeOwned>(&self, response: &Response) -> Option<T> {
        if response.outcome != Outcome::Done {
            return None;
        }
        let parsed = serde_json::from_slice(&response.body);
        parsed
            .map_err(|error| {
                self.context.recorder.record_unexpected(format!("a 200 response cannot be parsed: {error}"));
            })
            .ok()
    }

    pub fn update_funnel(&self, change: impl FnOnce(&mut Funnel)) {
        self.context.recorder.update(|totals| change(&mut totals.funnels[self.profile]));
    }

    fn profile(&self) -> &'static Profile {
        &profiles::ALL[self.profile]
    }

    fn think_time(&mut self) -> Duration {
        let seconds = self.rng.random_range(self.profile().think_s.clone());
        Duration::from_secs_f64(seconds * self.context.pace)
    }
}
