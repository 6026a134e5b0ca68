//! Orders that must be paid: most shoppers pay, some are declined, some cancel, and some walk away.

use rand::RngExt;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::api::{Order, OrderStatus, Receipt};
use crate::client::{Request, Response};
use crate::context::RunContext;
use crate::outcome::{Operation, Outcome, Refusal};
use crate::profiles;
use crate::visit::Shopper;

/// Questions of a shopper whose payment is under way.
const QUESTIONS: usize = 20;

impl Shopper {
    /// Decides what to do with an order, and does it after some thought. An order that the shopper leaves expires.
    pub async fn settle(&mut self, order: &Receipt) {
        let (walks_away, cancels) =
            (self.rng.random_bool(profiles::WALKS_AWAY), self.rng.random_bool(profiles::CANCELS));
        if walks_away || self.think().await.is_none() {
            return;
        }
        if cancels {
            self.cancel(order).await;
        } else if !self.rng.random_bool(profiles::IS_DECLINED) {
            self.pay(order, "pm_ok").await;
        } else if self.pay(order, "pm_declined").await == Outcome::Refused(Refusal::PaymentDeclined)
            && self.rng.random_bool(profiles::TRIES_AGAIN)
            && self.think().await.is_some()
        {
            self.pay(order, "pm_ok").await;
        }
    }

    async fn pay(&mut self, order: &Receipt, method: &str) -> Outcome {
        let body = json!({ "payment_method": method }).to_string();
        let request = Request::post(format!("/orders/{}/pay", order.code)).json(body);
        let mut outcome = self.ask_to_pay(order, &request).await;
        // Paid again, it is charged once.
        if outcome == Outcome::Done && self.rng.random_bool(profiles::REPEATS) {
            outcome = self.ask_to_pay(order, &request).await;
        }
        outcome
    }

    async fn ask_to_pay(&mut self, order: &Receipt, request: &Request) -> Outcome {
        let response = self.send(Operation::Pay, request).await;
        match response.outcome {
            Outcome::Done => self.note_end(order, OrderStatus::Paid),
            Outcome::Confirming => self.await_payment(order, &response).await,
            Outcome::Refused(Refusal::OrderExpired) => self.note_end(order, OrderStatus::Expired),
            _ => {}
        }
        response.outcome
    }

    async fn await_payment(&mut self, order: &Receipt, pending: &Response) {
        let request = Request::get(format!("/orders/{}", order.code));
        let mut pause = pending.retry_after();
        for _ in 0..QUESTIONS {
            sleep(pause).await;
            self.due = Instant::now();
            let response = self.send(Operation::ReadOrder, &request).await;
            match self.parse(&response) {
                Some(Order { status, .. }) if status.is_final() => return self.note_end(order, status),
                Some(Order { status: OrderStatus::Reserved, .. }) => return,
                _ => pause = response.retry_after(),
            }
        }
    }

    async fn cancel(&mut self, order: &Receipt) {
        let body = json!({ "user_id": self.user }).to_string();
        let request = Request::post(format!("/orders/{}/cancel", order.code)).json(body);
        let response = self.send(Operation::CancelOrder, &request).await;
        if response.outcome == Outcome::Done {
            self.note_end(order, OrderStatus::Cancelled);
        }
    }

    fn note_end(&self, order: &Receipt, end: OrderStatus) {
        note_end(&self.context, &order.code, end);
    }
}

/// Notes that the service told this end of an order. It must not tell another one later.
pub fn note_end(context: &RunContext, code: &str, end: OrderStatus) {
    if !context.acknowledgements.borrow_mut().note_end(code, end) {
        context.recorder.record_unexpected(format!("order {code}: the service told another end before {end:?}"));
    }
}
