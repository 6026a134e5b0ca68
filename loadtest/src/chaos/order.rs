//! One order after its purchase: what its buyer does with it, and what the buyer is told.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::history::History;
use crate::client::{Client, Request};

/// Requests of a buyer who gets no answer. What became of the order is asked at the end.
const ATTEMPTS: usize = 6;
/// Pause before a request is sent again.
const PAUSE: Duration = Duration::from_millis(500);

/// A means of payment of the stand-in provider, and true if it is declined.
pub type Method = (&'static str, bool);
pub const OK: Method = ("pm_ok", false);
pub const DECLINED: Method = ("pm_declined", true);
pub const TIMEOUT_CHARGED: Method = ("pm_timeout_charged", false);
/// Means that charge, each in a way of its own.
pub const CHARGING: [Method; 4] = [OK, ("pm_slow", false), ("pm_flaky", false), TIMEOUT_CHARGED];

/// An order that was acknowledged.
#[derive(Debug, Clone)]
pub struct Order {
    pub code: String,
    pub user: String,
}

/// The answer to a payment or a cancellation.
enum Answer {
    /// The order is in this state.
    State(String),
    Declined,
    Unknown,
}

impl Order {
    /// Asks to pay until an answer says what became of it. Returns true if the order is paid.
    pub async fn pay(&self, method: Method, clients: impl Fn() -> Rc<Client>, history: &RefCell<History>) -> bool {
        let body = json!({ "payment_method": method.0 }).to_string();
        let request = Request::post(format!("/orders/{}/pay", self.code)).json(body);
        for _ in 0..ATTEMPTS {
            match self.ask(&clients(), &request, history).await {
                Answer::State(state) if state == "PAYMENT_PENDING" => return self.settled(clients, history).await,
                Answer::State(state) => return state == "PAID",
                Answer::Declined if !method.1 => {
                    let note = format!("{} was declined for {self:?}", method.0);
                    history.borrow_mut().record_false_refusal(note);
                    return false;
                }
                Answer::Declined => return false,
                Answer::Unknown => sleep(PAUSE).await,
            }
        }
        false
    }

    /// Asks to cancel until an answer says what became of it.
    pub async fn cancel(&self, clients: impl Fn() -> Rc<Client>, history: &RefCell<History>) {
        history.borrow_mut().cancelled.insert(self.code.clone());
        let body = json!({ "user_id": self.user }).to_string();
        let request = Request::post(format!("/orders/{}/cancel", self.code)).json(body);
        for _ in 0..ATTEMPTS {
            match self.ask(&clients(), &request, history).await {
                Answer::Unknown => sleep(PAUSE).await,
                Answer::State(state) if state == "PAYMENT_PENDING" => {
                    self.settled(clients, history).await;
                    return;
                }
                _ => return,
            }
        }
    }

    /// Looks at the order a few times, until its payment is settled. Returns true if it is paid.
    async fn settled(&self, clients: impl Fn() -> Rc<Client>, history: &RefCell<History>) -> bool {
        let request = Request::get(format!("/orders/{}", self.code));
        for _ in 0..ATTEMPTS {
            sleep(PAUSE).await;
            if let Answer::State(state) = self.ask(&clients(), &request, history).await
                && state != "PAYMENT_PENDING"
            {
                return state == "PAID";
            }
        }
        false
    }

    /// Sends a request once, and records what the answer says.
    async fn ask(&self, client: &Client, request: &Request, history: &RefCell<History>) -> Answer {
        let Ok((status, body)) = client.answer_to(request).await else { return Answer::Unknown };
        let history = &mut *history.borrow_mut();
        let text = |field: &str| body.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let state = match (status, text("code").as_str()) {
            (200 | 202, _) => text("status"),
            (402, "payment_declined") => {
                if body.get("attempts_left") == Some(&json!(0)) {
                    history.record_fate(&self.code, "CANCELLED");
                }
                return Answer::Declined;
            }
            (409, "order_invalid_state") => text("order_status"),
            (410, "order_expired") => "EXPIRED".to_owned(),
            (503 | 429, _) => return Answer::Unknown,
            (status, code) => {
                history.record_false_refusal(format!("{status} {code} for {self:?}"));
                return Answer::Unknown;
            }
        };
        history.record_fate(&self.code, &state);
        Answer::State(state)
    }
}
