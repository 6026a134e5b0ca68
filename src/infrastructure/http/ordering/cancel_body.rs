//! The answers to a cancellation, and what its requests have in common.

use crate::application::ordering::CancelError;
use crate::domain::ordering::{Note, OrderStatus};
use crate::infrastructure::http::platform::openapi::schema::reference;
use crate::infrastructure::http::platform::store_failure::while_selling;
use crate::infrastructure::http::platform::{Description, FieldErrors, Problem, ProblemCode};

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

/// Turns an error into its problem.
pub fn problem(error: CancelError) -> Problem {
    match error {
        CancelError::NotFound => order_not_found(),
        CancelError::Final(view) => {
            let detail = "The order has ended: it is paid or expired, so it cannot be cancelled.";
            Problem::new(ProblemCode::OrderInvalidState, detail).member(ORDER_STATUS, &view.order.status)
        }
        CancelError::PaymentPending(_) => Problem::unavailable(OUTCOME_UNKNOWN).of_unknown_outcome(),
        CancelError::Failed(error) => while_selling(error, OUTCOME_UNKNOWN),
    }
}

/// Describes the problems of a cancellation.
pub fn describe(description: Description) -> Description {
    description
        .problems([ProblemCode::InvalidRequest, ProblemCode::OrderNotFound])
        .with_schema::<OrderStatus>()
        .problem_with(ProblemCode::OrderInvalidState, ORDER_STATUS, reference::<OrderStatus>())
}
