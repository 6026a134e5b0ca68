//! One visit of one shopper, from looking to buying or leaving.

use std::rc::Rc;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, sleep_until};

use crate::api::{Items, Sale};
use crate::buying::Order;
use crate::choice;
use crate::client::{Answer, Ask};
use crate::outcome::{Operation, Outcome};
use crate::profiles::{self, Profile};
use crate::recorder::Funnel;
use crate::world::World;

/// Items that a shopper sees at once.
const PAGE: u32 = 20;
/// How often something is asked again that was turned away.
const TURNED_AWAY_AGAIN: usize = 2;

/// Somebody who is shopping. A step that returns `None` is the last one: the shopper leaves.
pub struct Shopper {
    pub world: Rc<World>,
    pub user: String,
    pub rng: SmallRng,
    /// When the next request should be sent.
    pub due: Instant,
    profile: usize,
}

impl Shopper {
    /// Somebody of this profile who comes at this time.
    pub fn arrive(world: &Rc<World>, profile: usize, due: Instant) -> Self {
        let mut rng = world.chance();
        let before = if rng.random_bool(profiles::REGULAR) { world.regular() } else { None };
        let user = before.unwrap_or_else(|| world.newcomer());
        Shopper { world: world.clone(), user, rng, due, profile }
    }

    /// Shops and leaves. Returns when the next visit is due, after a rest.
    pub async fn visit(mut self) -> Instant {
        self.funnel(|funnel| funnel.visits += 1);
        if let Some(()) = self.shop().await {
            self.funnel(|funnel| funnel.bought += 1);
        }
        let rest = self.moment() * 2;
        self.world.leaves(self.user);
        Instant::now() + rest
    }

    async fn shop(&mut self) -> Option<()> {
        let sale = self.sale_that_is_on().await?;
        let wanted = self.choose(&sale).await?;
        self.funnel(|funnel| funnel.looked += 1);
        if !self.rng.random_bool(self.profile().checkout) {
            return None;
        }
        self.think().await?;
        let buys = self.rng.random_bool(self.profile().purchase);
        if buys && self.rng.random_bool(profiles::BUYS_NOW) {
            self.funnel(|funnel| funnel.checked_out += 1);
            let order = Order::item(&self.user, wanted.first()?, &mut self.rng);
            return self.buy(order).await;
        }
        let code = self.fill_cart(&sale, wanted).await?;
        self.funnel(|funnel| funnel.checked_out += 1);
        if !buys {
            return None;
        }
        self.think().await?;
        if self.rng.random_bool(profiles::REVIEWS) {
            self.ask(Operation::Review, &Ask::get(format!("/checkout/{code}"))).await;
            self.think().await?;
        }
        let partial = self.rng.random_bool(profiles::PARTIAL);
        self.buy(Order::cart(code, partial)).await
    }

    async fn sale_that_is_on(&mut self) -> Option<Sale> {
        let answer = self.ask(Operation::Look, &Ask::get("/sales/active")).await;
        self.read(&answer)
    }

    /// What to buy: from what is shown, or what one had in mind before.
    async fn choose(&mut self, sale: &Sale) -> Option<Vec<String>> {
        let wanted = match self.rng.random_bool(profiles::LARGE_CART) {
            true => self.rng.random_range(4..=10),
            false => self.rng.random_range(1..=3),
        };
        if self.rng.random_bool(self.profile().decided) {
            let places = choice::several_popular(&mut self.rng, sale.total_items, wanted);
            return Some(places.into_iter().map(|place| sale.item(place)).collect());
        }
        self.think().await?;
        self.choose_from_what_is_left(sale, wanted).await
    }

    /// What to buy, of the items of a page that can still be had. `None` when nothing is left.
    pub async fn choose_from_what_is_left(&mut self, sale: &Sale, wanted: usize) -> Option<Vec<String>> {
        let mut page = choice::popular(&mut self.rng, sale.items_remaining) / PAGE + 1;
        loop {
            let path = format!("/sales/{}/items?available=true&per_page={PAGE}&page={page}", sale.id);
            let answer = self.ask(Operation::Look, &Ask::get(path)).await;
            let shown: Items = self.read(&answer)?;
            if shown.total == 0 {
                return None;
            }
            if !shown.items.is_empty() {
                return Some(shown.items.sample(&mut self.rng, wanted).map(|item| item.id.clone()).collect());
            }
            // So much was sold meanwhile that there are fewer pages.
            page = choice::popular(&mut self.rng, shown.total) / PAGE + 1;
        }
    }

    // --- How every step is done

    /// Waits for as long as this shopper thinks. `None` when the run is over before.
    pub async fn think(&mut self) -> Option<()> {
        self.due = Instant::now() + self.moment();
        self.until_due().await
    }

    /// Waits until the next request is due, and notes by how much this client misses it.
    pub async fn until_due(&self) -> Option<()> {
        if self.due >= self.world.ends_at() {
            return None;
        }
        sleep_until(self.due).await;
        let late = self.due.elapsed();
        self.world.recorder.count(|totals| totals.lateness.record(late));
        Some(())
    }

    /// Asks, and again when turned away. The next request is due when this one is answered.
    pub async fn ask(&mut self, operation: Operation, ask: &Ask) -> Answer {
        let mut answer = self.world.client.ask(operation, ask, self.due).await;
        for _ in 0..TURNED_AWAY_AGAIN {
            if answer.outcome == Outcome::TurnedAway {
                sleep(answer.retry_after()).await;
                answer = self.world.client.ask(operation, ask, Instant::now()).await;
            }
        }
        self.due = Instant::now();
        answer
    }

    /// What was answered, if it is what was asked for.
    pub fn read<T: DeserializeOwned>(&self, answer: &Answer) -> Option<T> {
        if answer.outcome != Outcome::Done {
            return None;
        }
        let read = serde_json::from_slice(&answer.body);
        read.map_err(|error| self.world.recorder.unexpected(format!("an answer of 200 cannot be read: {error}"))).ok()
    }

    pub fn funnel(&self, change: impl FnOnce(&mut Funnel)) {
        self.world.recorder.count(|totals| change(&mut totals.funnels[self.profile]));
    }

    fn profile(&self) -> &'static Profile {
        &profiles::ALL[self.profile]
    }

    fn moment(&mut self) -> Duration {
        let seconds = self.rng.random_range(self.profile().think_s.clone());
        Duration::from_secs_f64(seconds * self.world.pace)
    }
}
