//! Purchases: a request that is repeated until its outcome is known, and buys once.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use rand::{Rng, RngExt};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use crate::acknowledgements::Acknowledgement;
use crate::api::{Problem, Receipt};
use crate::client::{Request, Response};
use crate::context::RunContext;
use crate::outcome::{Operation, Outcome, Refusal};
use crate::profiles;
use crate::visit::Shopper;

/// Attempts of a shopper for one purchase.
const ATTEMPTS: usize = 5;
/// The time after which an impatient shopper hangs up.
const HANG_UP_AFTER_US: Range<u64> = 500..8_000;

/// A request to buy something. It is idempotent.
#[derive(Debug, Clone)]
pub struct PurchaseRequest {
    operation: Operation,
    request: Request,
    /// The item of a purchase without a cart.
    item: Option<String>,
}

/// The outcome of a purchase.
pub enum PurchaseOutcome {
    Receipt(Bytes),
    Refused(Refusal, Problem),
    /// No response gave the outcome.
    Unknown,
}

impl PurchaseRequest {
    /// Buys the cart with this code. A `partial` purchase buys what is left of it.
    pub fn cart(code: String, partial: bool) -> Self {
        let partial = if partial { "&partial=true" } else { "" };
        let request = Request::post(format!("/purchase?code={code}{partial}"));
        PurchaseRequest { operation: Operation::Purchase, request, item: None }
    }

    /// Buys one unit of one item without a cart.
    pub fn item(user: &str, item: &str, rng: &mut impl Rng) -> Self {
        let body = json!({ "user_id": user, "item_id": item, "quantity": 1 }).to_string();
        let key = format!("{:016x}", rng.random::<u64>());
        let request = Request::post("/api/purchase").json(body).idempotency_key(&key);
        PurchaseRequest { operation: Operation::BuyNow, request, item: Some(item.to_owned()) }
    }

    /// Sends the request until a response gives the outcome. Records the purchase once if the outcome of any attempt is
    /// unknown.
    pub async fn complete(&self, context: &RunContext, mut due: Instant, attempts: usize) -> PurchaseOutcome {
        let mut is_recorded = false;
        let mut record = || {
            if !std::mem::replace(&mut is_recorded, true) {
                context.add_unresolved(self);
            }
        };
        for _ in 0..attempts {
            let response = context.client.send(self.operation, &self.request, due).await;
            match response.outcome {
                Outcome::Done => return PurchaseOutcome::Receipt(response.body),
                Outcome::Refused(refusal) => return PurchaseOutcome::Refused(refusal, response.problem),
                Outcome::Confirming => match await_receipt(context, &response).await {
                    Some(receipt) => return PurchaseOutcome::Receipt(receipt),
                    None => record(),
                },
                Outcome::TurnedAway if response.problem.outcome != "unknown" => sleep(response.retry_after()).await,
                Outcome::TurnedAway | Outcome::Unexpected => {
                    record();
                    sleep(response.retry_after()).await;
                }
            }
            due = Instant::now();
        }
        PurchaseOutcome::Unknown
    }
}

/// Polls the location of a `202` response at the requested pace. Returns the receipt, if it comes in time.
async fn await_receipt(context: &RunContext, confirming: &Response) -> Option<Bytes> {
    let request = match confirming.location() {
        Ok(location) => Request::get(location),
        Err(error) => {
            context.recorder.record_unexpected(format!("a 202 response cannot be followed: {error}"));
            return None;
        }
    };
    let mut pause = confirming.retry_after();
    for _ in 0..ATTEMPTS {
        sleep(pause).await;
        let response = context.client.send(Operation::Receipt, &request, Instant::now()).await;
        match response.outcome {
            Outcome::Done => return Some(response.body),
            _ => pause = response.retry_after(),
        }
    }
    None
}

impl Shopper {
    /// Buys. If some items of a cart are sold, the shopper may buy the rest. Returns `None` if nothing was bought.
    pub async fn buy(&mut self, purchase: PurchaseRequest) -> Option<()> {
        let due = self.due;
        if self.rng.random_bool(profiles::HANGS_UP) {
            self.hang_up(&purchase).await;
        }
        // The latency of the purchase counts from its first due time. The request after a hang-up is due now.
        match purchase.complete(&self.context, self.due, ATTEMPTS).await {
            PurchaseOutcome::Receipt(body) => self.accept_receipt(&purchase, &body, due).await,
            PurchaseOutcome::Refused(Refusal::ItemsSold, problem) => {
                let has_rest = !problem.available.is_empty();
                self.context.acknowledgements.borrow_mut().record_refused(problem.unavailable);
                if !has_rest || !self.rng.random_bool(profiles::BUYS_THE_REST) {
                    return None;
                }
                self.think().await?;
                Box::pin(self.buy(purchase)).await
            }
            PurchaseOutcome::Refused(Refusal::SoldOut, _) => {
                self.context.acknowledgements.borrow_mut().record_refused(purchase.item);
                None
            }
            PurchaseOutcome::Unknown => {
                self.context.recorder.record_given_up(due.elapsed());
                None
            }
            PurchaseOutcome::Refused(..) => None,
        }
    }

    async fn accept_receipt(&mut self, purchase: &PurchaseRequest, body: &Bytes, due: Instant) -> Option<()> {
        let acknowledgement = self.context.acknowledgements.borrow_mut().record(body);
        let mut is_new = false;
        match acknowledgement {
            Acknowledgement::First(units) => {
                self.context.recorder.record_acknowledged(units, due.elapsed());
                self.update_funnel(|funnel| funnel.units += units);
                is_new = true;
            }
            Acknowledgement::Repeated => {}
            Acknowledgement::Contradictory | Acknowledgement::Invalid => {
                self.context.recorder.record_bad_receipt(&acknowledgement, body);
            }
        }
        if self.rng.random_bool(profiles::REPEATS) {
            self.due = Instant::now();
            self.repeat(purchase, body).await;
        }
        if let Some(order) = serde_json::from_slice(body).ok().filter(|receipt: &Receipt| receipt.pay_by.is_some())
            && is_new
        {
            self.settle(&order).await;
        }
        Some(())
    }

    /// Repeats a purchase that was acknowledged. The service must return the same receipt.
    async fn repeat(&mut self, purchase: &PurchaseRequest, before: &Bytes) {
        let response = self.send(purchase.operation, &purchase.request).await;
        let (after, is_marked) = match response.outcome {
            // An unexpected response is counted already. 503 and 429 prove nothing.
            Outcome::Unexpected | Outcome::TurnedAway => return,
            Outcome::Confirming => match await_receipt(&self.context, &response).await {
                Some(receipt) => (receipt, true),
                None => return,
            },
            Outcome::Done | Outcome::Refused(_) => (response.body.clone(), response.is_replayed()),
        };
        let is_same =
            is_marked && self.context.acknowledgements.borrow_mut().record(&after) == Acknowledgement::Repeated;
        self.context.recorder.update(|totals| {
            totals.repeats += 1;
            totals.wrong_repeats += u64::from(!is_same);
        });
        if !is_same {
            let [before, after] = [before, &after].map(|body| String::from_utf8_lossy(body).into_owned());
            let text = format!("a repeated purchase got another response: {after:?} instead of {before:?}");
            self.context.recorder.record_unexpected(text);
        }
    }

    /// Sends the request and cancels it soon after.
    async fn hang_up(&mut self, purchase: &PurchaseRequest) {
        let patience = Duration::from_micros(self.rng.random_range(HANG_UP_AFTER_US));
        let sending = self.context.client.send(purchase.operation, &purchase.request, self.due);
        let response = timeout(patience, sending).await;
        self.context.recorder.update(|totals| totals.hung_up += u64::from(response.is_err()));
        if !response.is_ok_and(|response| matches!(response.outcome, Outcome::Done | Outcome::Refused(_))) {
            self.context.add_unresolved(purchase);
        }
        self.due = Instant::now();
    }
}
