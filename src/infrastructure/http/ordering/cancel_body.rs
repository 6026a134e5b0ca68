//! The answers to a cancellation, and what its requests have in common.

use crate::application::ordering::CancelError;
use crate::domain::shared::limits::NOTE_CHARS_MAX;
use crate::infrastructure::http::platform::store_failure::while_selling;
use crate::infrastructure::http::platform::{Description, FieldErrors, Problem, ProblemCode};

use super::order_not_found;

/// The detail of a cancellation that took too long.
pub const OUTCOME_UNKNOWN: &str = "It is not known whether the order was cancelled. Ask again: it is cancelled once.";

/// The member with the state of an order that has ended otherwise.
const ORDER_STATUS: &str = "order_status";

/// Checks the words of a person who cancels.
pub fn note(errors: &mut FieldErrors, reason: Option<String>) -> Option<String> {
    let is_plain = |reason: &String| {
        (1..=NOTE_CHARS_MAX).contains(&reason.chars().count()) && !reason.chars().any(char::is_control)
    };
    match reason {
        Some(reason) if !is_plain(&reason) => {
            let rule = format!("must have 1 to {NOTE_CHARS_MAX} characters, none of them a control character");
            errors.add("reason", &rule);
            None
        }
        reason => reason,
    }
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
    use crate::domain::ordering::OrderStatus;
    use crate::infrastructure::http::platform::openapi::schema::reference;

    description
        .problems([ProblemCode::InvalidRequest, ProblemCode::OrderNotFound])
        .with_schema::<OrderStatus>()
        .problem_with(ProblemCode::OrderInvalidState, ORDER_STATUS, reference::<OrderStatus>())
}
