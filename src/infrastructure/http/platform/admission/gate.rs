//! The gate of sales with a waiting room.

use hyper::header::{HeaderValue, LINK};

use crate::domain::shared::{SaleId, UserId};
use crate::infrastructure::tokens::Pass;

use super::super::context::Context;
use super::super::metrics;
use super::super::problem::Problem;
use super::super::problem_code::ProblemCode;
use super::super::request::ApiRequest;

/// The link to the waiting room.
const TO_QUEUE: &str = "</queue>; rel=\"queue\"";

/// The answer of the gate to a request.
#[derive(Debug)]
pub enum Gate {
    /// The sale has no waiting room.
    Open,
    /// The request has a pass for the sale.
    Passed(Pass),
    Closed,
}

impl Context {
    /// Returns the answer of the gate of a sale to a request of this user, or of an unknown user who proves with a checkout
    /// code or not at all who it is.
    pub fn gate(&self, request: &ApiRequest, sale: SaleId, user: Option<&UserId>) -> Gate {
        let sales = &self.shop.sales;
        if !sales.has_rooms() || !sales.live(sale).is_some_and(|live| live.sale().waiting_room) {
            return Gate::Open;
        }
        let is_theirs = |pass: &Pass| pass.sale == sale && user.is_none_or(|user| pass.user == *user);
        self.pass(request).filter(is_theirs).map_or(Gate::Closed, Gate::Passed)
    }

    /// Notes that a purchase was made with a pass.
    pub fn note_purchase(&self, pass: &Pass) {
        self.rooms.note_purchase(pass.sale, pass.place);
    }
}

/// The problem of a request without a pass.
pub fn admission_required() -> Problem {
    metrics::admission_refused();
    let detail = "Join the waiting room with POST /queue, ask GET /queue/me for a pass, and send it as Queue-Pass.";
    Problem::new(ProblemCode::AdmissionRequired, detail).header(LINK, HeaderValue::from_static(TO_QUEUE))
}
