//! One purchase, which is asked for again until its outcome is known.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use super::claims::Account;
use super::history::History;
use crate::client::{Client, Request, Response};
use crate::outcome::{Operation, Outcome, Refusal};

/// Longest wait for an answer: longer than the service allows itself.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(12);
/// Pause before a request without an answer is sent again.
pub const PAUSE: Duration = Duration::from_millis(300);

/// The problem of a sale that is shown before Redis has opened it.
pub const NOT_STARTED: &str = "sale_not_started";

/// The name under which PostgreSQL holds a purchase.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Name {
    Code(String),
    Request { user: String, request: String },
}

/// A purchase that may be asked for any number of times.
pub struct Purchase {
    pub name: Name,
    account: Account,
    /// The item of a purchase without a cart.
    item: Option<String>,
    operation: Operation,
    request: Request,
    began: Instant,
    /// A purchase without a cart claims its unit when it is first asked for. A cart has the claims of its checkouts.
    claimed: Cell<bool>,
    /// An earlier request may have had the units for a while.
    doubtful: Cell<bool>,
    /// An earlier request was not answered, so it may still arrive.
    unanswered: Cell<bool>,
    /// The sale had not started when the purchase was last asked for. A moment later it must have.
    early: Cell<bool>,
}

/// The answer to one request.
pub enum Answer {
    Receipt,
    /// With the code of the problem.
    Refused(String),
    /// Not known yet: ask again.
    Unknown(Duration),
}

impl Purchase {
    /// The purchase of a cart.
    pub fn of_cart(user: &str, code: String) -> Self {
        let (account, request) = (Account::of(user, &code), Request::post(format!("/purchase?code={code}")));
        Purchase::new(Name::Code(code), account, None, Operation::Purchase, request)
    }

    /// The purchase of one unit without a cart.
    pub fn of_item(user: &str, item: &str, request_id: String) -> Self {
        let body = json!({ "user_id": user, "item_id": item, "quantity": 1 }).to_string();
        let request = Request::post("/api/purchase").json(body).idempotency_key(&request_id);
        let name = Name::Request { user: user.to_owned(), request: request_id };
        Purchase::new(name, Account::of(user, item), Some(item.to_owned()), Operation::BuyNow, request)
    }

    fn new(name: Name, account: Account, item: Option<String>, operation: Operation, request: Request) -> Self {
        let (claimed, doubtful, unanswered, early) = Default::default();
        let began = Instant::now();
        Purchase { name, account, item, operation, request, began, claimed, doubtful, unanswered, early }
    }

    /// Sends the request once, and records what the answer says.
    pub async fn ask(&self, client: &Client, history: &RefCell<History>) -> Answer {
        self.claim(&mut history.borrow_mut());
        let sending = client.send(self.operation, &self.request, Instant::now());
        let Ok(response) = timeout(ANSWER_TIMEOUT, sending).await else {
            return self.without_answer(history);
        };
        let history_now = &mut *history.borrow_mut();
        match (response.outcome, response.problem.code.as_str()) {
            (Outcome::Done, _) => {
                history_now.record_receipt(&response.body);
                history_now.bought.insert(self.name.clone());
                Answer::Receipt
            }
            (Outcome::Refused(refusal), _) => {
                history_now.record_refusal_of(&self.account, self.began, refusal);
                self.record_sold(history_now, refusal, &response);
                self.refused(history_now, response)
            }
            // A cart that Redis may have forgotten. Its items were not reserved.
            (Outcome::Unexpected, "checkout_not_found") if let Name::Code(code) = &self.name => {
                history_now.record_missing_cart(&self.account, code);
                self.refused(history_now, response)
            }
            (Outcome::TurnedAway, _) if !response.problem.has_taken() => Answer::Unknown(response.retry_after()),
            (Outcome::TurnedAway | Outcome::Confirming, _) => {
                self.doubt(history_now);
                Answer::Unknown(response.retry_after())
            }
            (Outcome::Unexpected, "") => {
                self.unanswered.set(true);
                self.doubt(history_now);
                Answer::Unknown(PAUSE)
            }
            (Outcome::Unexpected, NOT_STARTED) if !self.early.replace(true) => Answer::Unknown(PAUSE),
            (Outcome::Unexpected, code) => {
                let body = String::from_utf8_lossy(&response.body);
                history_now.record_false_refusal(format!("{code} for {:?}: {body}", self.name));
                Answer::Refused(response.problem.code)
            }
        }
    }

    /// Sends the request, each time to another instance, until an answer gives the outcome. Keeps the purchase for later
    /// if none does.
    pub async fn until_known(
        self,
        clients: impl Fn() -> Rc<Client>,
        history: &RefCell<History>,
        attempts: usize,
    ) -> Option<Answer> {
        for _ in 0..attempts {
            match self.ask(&clients(), history).await {
                Answer::Unknown(pause) => sleep(pause).await,
                answer => return Some(answer),
            }
        }
        history.borrow_mut().unknown.push(self);
        None
    }

    fn without_answer(&self, history: &RefCell<History>) -> Answer {
        self.unanswered.set(true);
        self.doubt(&mut history.borrow_mut());
        Answer::Unknown(PAUSE)
    }

    fn doubt(&self, history: &mut History) {
        self.doubtful.set(true);
        history.record_doubt(&self.name, self.item.as_ref());
    }

    fn claim(&self, history: &mut History) {
        if let Name::Request { request, .. } = &self.name
            && !self.claimed.replace(true)
        {
            history.claims.open(&self.account, request, 1);
        }
    }

    fn refused(&self, history: &mut History, response: Response) -> Answer {
        // A request that was not answered may still arrive and buy.
        if !self.unanswered.get() {
            history.refused.insert(self.name.clone());
        }
        if let Name::Request { request, .. } = &self.name
            && !self.doubtful.get()
        {
            history.claims.close(&self.account, request);
        }
        Answer::Refused(response.problem.code)
    }

    fn record_sold(&self, history: &mut History, refusal: Refusal, response: &Response) {
        match refusal {
            Refusal::ItemsSold => history.acknowledgements.record_refused(response.problem.unavailable.clone()),
            Refusal::SoldOut => history.acknowledgements.record_refused(self.item.clone()),
            _ => {}
        }
    }
}
