//! The answers to a cancellation, and what its requests have in common.

use chrono::{DateTime, Utc};

use crate::application::ordering::CancelError;
use crate::application::payment::Cancellation;
use crate::domain::ordering::{Note, OrderStatus};
use crate::infrastructure::http::platform::openapi::schema::reference;
use crate::infrastructure::http::platform::store_failure::{of_unknown_outcome, while_selling};
use crate::infrastructure::http::platform::{Answer, Description, FieldErrors, Problem, ProblemCode, answer};

use super::order_body::{self, OrderBody};
use super::order_not_found;

/// The detail of a cancellation that took too long.
pub const OUTCOME_UNKNOWN: &str = "It is not known whether the order was cancelled. Ask again: it is cancelled once.";

/// The member with the state of an order that has ended otherwise.
const ORDER_STATUS: &str = "order_status";

/// Checks the words of a person who cancels.
pub fn note(reason: Option<String>) -> Result<Option<Note>, Problem> {
    let mut errors = FieldErrors::default();
    let note = errors.parse("reason", reason);
    errors.check().map(|()| note)
}

/// Answers with the order: cancelled, or waiting until its payment is.
pub fn answer(cancellation: Cancellation, now: DateTime<Utc>) -> Answer {
    match cancellation {
        Cancellation::Done(view) => answer::ok(&OrderBody::new(view, now)),
        Cancellation::Pending(view, payment) => order_body::pending(view, payment, now),
    }
}

/// Turns an error into its problem.
pub fn problem(error: CancelError) -> Problem {
    match error {
        CancelError::NotFound => order_not_found(),
        CancelError::Final(view) => {
            let detail = match view.order.status {
                OrderStatus::Paid => {
                    "The order is paid, so it cannot be cancelled. To give the items back, contact the seller."
                }
                _ => "The order expired because it was not paid in time. Nothing is left to cancel.",
            };
            Problem::new(ProblemCode::OrderInvalidState, detail).member(ORDER_STATUS, &view.order.status)
        }
        CancelError::PaymentPending(_) => Problem::unavailable(OUTCOME_UNKNOWN).of_unknown_outcome(),
        CancelError::Failed(error) => while_selling(error, OUTCOME_UNKNOWN),
        CancelError::Unknown(error) => of_unknown_outcome(error, OUTCOME_UNKNOWN),
    }
}

/// Describes the answers to a cancellation.
pub fn describe(description: Description) -> Description {
    let pending = "A payment is under way that the provider has not cancelled yet. The order is cancelled as soon as it \
                   has, unless the payment turns out to have succeeded";
    description
        .answer::<OrderBody>(200, "The cancelled order")
        .answer::<OrderBody>(202, pending)
        .header(202, "Retry-After", "Seconds")
        .problems([ProblemCode::InvalidRequest, ProblemCode::OrderNotFound])
        .with_schema::<OrderStatus>()
        .problem_with(ProblemCode::OrderInvalidState, ORDER_STATUS, reference::<OrderStatus>())
}
