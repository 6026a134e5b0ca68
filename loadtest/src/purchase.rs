//! Buying, once, however often it must be asked.

use std::time::Duration;

use bytes::Bytes;
use rand::{Rng, RngExt};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use crate::api::Problem;
use crate::client::{Answer, Ask};
use crate::outcome::{Operation, Outcome, Refusal};
use crate::profiles;
use crate::told::Acknowledged;
use crate::visit::Shopper;
use crate::world::World;

/// How often a shopper asks for one purchase before giving up.
const ATTEMPTS: usize = 5;
/// How long somebody waits who hangs up.
const IMPATIENCE_US: std::ops::Range<u64> = 500..8_000;

/// Something to be bought. Its request can be repeated: it buys once.
#[derive(Debug, Clone)]
pub struct Order {
    operation: Operation,
    ask: Ask,
    /// The item, where it is bought without a cart.
    item: Option<String>,
}

/// What became of an order.
pub enum Bought {
    Receipt(Bytes),
    Refused(Refusal, Problem),
    /// No answer said.
    Unknown,
}

impl Order {
    /// The cart of this code, or what is left of it.
    pub fn cart(code: String, partial: bool) -> Self {
        let partial = if partial { "&partial=true" } else { "" };
        let ask = Ask::post(format!("/purchase?code={code}{partial}"));
        Order { operation: Operation::Purchase, ask, item: None }
    }

    /// One unit of one item.
    pub fn item(user: &str, item: &str, rng: &mut impl Rng) -> Self {
        let body = json!({ "user_id": user, "item_id": item, "quantity": 1 }).to_string();
        let key = format!("{:016x}", rng.random::<u64>());
        let ask = Ask::post("/api/purchase").json(body).idempotency_key(&key);
        Order { operation: Operation::BuyNow, ask, item: Some(item.to_owned()) }
    }

    /// Asks until there is an answer that says what happened. Where an answer stays away, the order is noted as
    /// doubtful.
    pub async fn buy(&self, world: &World, mut due: Instant, attempts: usize) -> Bought {
        for _ in 0..attempts {
            let answer = world.client.ask(self.operation, &self.ask, due).await;
            match answer.outcome {
                Outcome::Done => return Bought::Receipt(answer.body),
                Outcome::Refused(refusal) => return Bought::Refused(refusal, answer.problem),
                Outcome::Confirming => match confirmed(world, &answer).await {
                    Some(receipt) => return Bought::Receipt(receipt),
                    None => world.doubt(self),
                },
                Outcome::TurnedAway if answer.problem.outcome != "unknown" => sleep(answer.retry_after()).await,
                Outcome::TurnedAway | Outcome::Unexpected => {
                    world.doubt(self);
                    sleep(answer.retry_after()).await;
                }
            }
            due = Instant::now();
        }
        Bought::Unknown
    }
}

/// Asks where "confirming" pointed to, in the pace that the service asked for.
async fn confirmed(world: &World, confirming: &Answer) -> Option<Bytes> {
    let ask = Ask::get(confirming.location()?);
    let mut pause = confirming.retry_after();
    for _ in 0..ATTEMPTS {
        sleep(pause).await;
        let answer = world.client.ask(Operation::Receipt, &ask, Instant::now()).await;
        match answer.outcome {
            Outcome::Done => return Some(answer.body),
            _ => pause = answer.retry_after(),
        }
    }
    None
}

impl Shopper {
    /// Buys; the rest of the cart, too, when a part of it is gone. `None` when nothing was bought.
    pub async fn buy(&mut self, order: Order) -> Option<()> {
        let due = self.due;
        if self.rng.random_bool(profiles::HANGS_UP) {
            self.hang_up(&order).await;
        }
        // The purchase counts from when it was due first; the request of who hung up before, from now.
        match order.buy(&self.world, self.due, ATTEMPTS).await {
            Bought::Receipt(body) => self.bought(&order, &body, due).await,
            Bought::Refused(Refusal::ItemsSold, problem) => {
                let rest = !problem.available.is_empty();
                self.world.told.borrow_mut().refuse(problem.unavailable);
                if !rest || !self.rng.random_bool(profiles::BUYS_THE_REST) {
                    return None;
                }
                self.think().await?;
                Box::pin(self.buy(order)).await
            }
            Bought::Refused(Refusal::SoldOut, _) => {
                self.world.told.borrow_mut().refuse(order.item);
                None
            }
            Bought::Unknown => {
                self.world.recorder.gave_up(due.elapsed());
                None
            }
            Bought::Refused(..) => None,
        }
    }

    async fn bought(&mut self, order: &Order, body: &Bytes, due: Instant) -> Option<()> {
        let told = self.world.told.borrow_mut().acknowledge(body);
        match told {
            Acknowledged::First(units) => {
                self.world.recorder.acknowledged(units, due.elapsed());
                self.funnel(|funnel| funnel.units += units);
            }
            Acknowledged::Again => {}
            wrong => self.world.recorder.unexpected(format!("{wrong:?}: {}", String::from_utf8_lossy(body))),
        }
        if self.rng.random_bool(profiles::REPEATS) {
            self.due = Instant::now();
            self.repeat(order, body).await;
        }
        Some(())
    }

    /// Asks for what is bought already, which must be answered as before.
    async fn repeat(&mut self, order: &Order, before: &Bytes) {
        let answer = self.ask(order.operation, &order.ask).await;
        let (after, is_marked) = match answer.outcome {
            // The one is counted, and the other decides nothing.
            Outcome::Unexpected | Outcome::TurnedAway => return,
            Outcome::Confirming => match confirmed(&self.world, &answer).await {
                Some(receipt) => (receipt, true),
                None => return,
            },
            Outcome::Done | Outcome::Refused(_) => (answer.body.clone(), answer.is_replayed()),
        };
        let is_right = is_marked && self.world.told.borrow_mut().acknowledge(&after) == Acknowledged::Again;
        self.world.recorder.count(|totals| {
            totals.repeats += 1;
            totals.wrong_repeats += u64::from(!is_right);
        });
        if !is_right {
            let texts = [before, &after].map(|body| String::from_utf8_lossy(body).into_owned());
            self.world.recorder.unexpected(format!("a repetition is answered differently: {texts:?}"));
        }
    }

    /// Asks, and does not wait long for the answer.
    async fn hang_up(&mut self, order: &Order) {
        let patience = Duration::from_micros(self.rng.random_range(IMPATIENCE_US));
        let asked = self.world.client.ask(order.operation, &order.ask, self.due);
        let answer = timeout(patience, asked).await;
        self.world.recorder.count(|totals| totals.hung_up += u64::from(answer.is_err()));
        if !answer.is_ok_and(|answer| matches!(answer.outcome, Outcome::Done | Outcome::Refused(_))) {
            self.world.doubt(order);
        }
        self.due = Instant::now();
    }
}
