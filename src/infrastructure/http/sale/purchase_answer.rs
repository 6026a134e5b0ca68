//! Answers to a purchase, with or without a cart.

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue, RETRY_AFTER};
use serde::Serialize;
use utoipa::ToSchema;

use crate::application::sale::purchase::PurchaseOutcome;
use crate::domain::ordering::OrderStatus;
use crate::domain::shared::CheckoutCode;
use crate::infrastructure::http::platform::{Answer, Description, Problem, ProblemCode, answer};

use super::metrics::Outcome;
use super::receipt_body::{PurchaseBody, ReceiptBody};

const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

const ORDER_STATUS: HeaderName = HeaderName::from_static("order-status");

/// A purchase that is decided, but not known to be durable.
#[derive(Serialize, ToSchema)]
struct Confirming {
    #[schema(pattern = "^confirming$")]
    status: &'static str,
}

/// Answers 202 to a purchase that is not known to be durable.
pub fn confirming(code: CheckoutCode) -> Answer {
    let answer = answer::json(StatusCode::ACCEPTED, &Confirming { status: "confirming" });
    let mut answer = answer::located(answer, &format!("/purchase/{code}"));
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}

/// Answers 200 with a receipt. The body never changes; headers mark a repetition, and tell the present of the order.
pub fn bought(body: &PurchaseBody, is_replayed: bool, order: Option<OrderStatus>) -> Answer {
    let mut answer = answer::ok(body);
    let headers = answer.headers_mut();
    if is_replayed {
        headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    if let Some(status) = order {
        headers.insert(ORDER_STATUS, HeaderValue::from_static(status.into()));
    }
    answer
}

/// Refuses a request that has bought before. The receipt never changes; a header tells the present of the order.
pub fn duplicate(receipt: &ReceiptBody, order: Option<OrderStatus>) -> Problem {
    let detail = "This request has already bought: see `original`. To buy again, use another request id.";
    let problem = Problem::new(ProblemCode::DuplicateRequest, detail).member("original", receipt);
    match order {
        Some(status) => problem.header(ORDER_STATUS, HeaderValue::from_static(status.into())),
        None => problem,
    }
}

/// Returns the outcome of a purchase for the metrics.
pub fn outcome(result: &Result<PurchaseOutcome, Problem>) -> Outcome {
    match result {
        Ok(PurchaseOutcome::Durable { replayed: false, .. }) => Outcome::Accepted,
        Ok(PurchaseOutcome::Durable { replayed: true, .. }) => Outcome::Replayed,
        Ok(PurchaseOutcome::Confirming(_)) => Outcome::Confirming,
        Err(problem) if problem.is_of_unknown_outcome() => Outcome::Unknown,
        Err(problem) => Outcome::Refused(problem.code()),
    }
}

/// Describes the two answers to a purchase that was made.
pub fn describe(description: Description) -> Description {
    description
        .answer::<PurchaseBody>(200, "The receipt. The purchase is committed to PostgreSQL")
        .answer::<Confirming>(202, "Decided, but not known to be durable: GET `Location` after `Retry-After`")
        .header(202, "Location", "The path of the receipt")
        .header(202, "Retry-After", "Seconds")
}

/// Describes the headers of an answer to a purchase that was made.
pub fn describe_headers(description: Description) -> Description {
    let replayed = "`true` if an earlier request made this purchase. The body is the same, byte for byte";
    describe_order_status(description.header(200, "Idempotent-Replayed", replayed))
}

/// Describes the header with the status of an order.
pub fn describe_order_status(description: Description) -> Description {
    let status = "In a sale with a payment window: the present status of the order. Absent while it is not known";
    description.header(200, "Order-Status", status)
}
