//! Store errors as problems, and their log lines.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use chrono::Utc;

use crate::application::shared::StoreError;
use crate::infrastructure::telemetry::Chain;

use super::metrics;
use super::problem::Problem;

impl From<StoreError> for Problem {
    /// Turns the error into the problem of a request that can be repeated safely.
    fn from(error: StoreError) -> Self {
        const UNCHANGED: &str = "The service could not serve the request and changed nothing. Try again in a second.";
        let problem = match &error {
            StoreError::Fenced => Problem::unavailable(UNCHANGED),
            StoreError::Busy(_) => Problem::unavailable(UNCHANGED).of_overload(),
            StoreError::Unreachable(_) | StoreError::Corrupt(_) => {
                Problem::unavailable("The service could not serve the request. Try again in a second.")
            }
        };
        problem.caused_by(error)
    }
}

/// Turns the error into the problem of a purchase. If the store may have sold, the outcome is unknown, and `detail` says
/// how to find out.
pub fn while_selling(error: StoreError, detail: &'static str) -> Problem {
    match &error {
        StoreError::Fenced | StoreError::Busy(_) => Problem::from(error),
        StoreError::Unreachable(_) | StoreError::Corrupt(_) => of_unknown_outcome(error, detail),
    }
}

/// Turns the error into the problem of a request that had begun to change something. `detail` says how to find out what
/// became of it.
pub fn of_unknown_outcome(error: StoreError, detail: &'static str) -> Problem {
    Problem::unavailable(detail).of_unknown_outcome().caused_by(error)
}

/// Counts store failures, and logs requests that failed through no fault of the caller. The log gets only a few lines per
/// second, however many requests fail.
pub fn report(problem: &Problem, route: &str, request_id: &str) {
    static FAILED: Throttle = Throttle::new();
    static REFUSED: Throttle = Throttle::new();
    if let Some(error) = problem.cause() {
        metrics::store_failure(error);
    }
    match problem.cause() {
        Some(error @ (StoreError::Unreachable(_) | StoreError::Corrupt(_))) => {
            if let Some(suppressed) = FAILED.pass(Utc::now().timestamp()) {
                tracing::error!(error = %Chain(error), route, request_id, suppressed, "a store failed");
            }
        }
        cause if problem.code().status().is_server_error() => {
            if let Some(suppressed) = REFUSED.pass(Utc::now().timestamp()) {
                let reason = cause.map_or_else(|| problem.detail().to_owned(), ToString::to_string);
                tracing::warn!(reason, route, request_id, suppressed, "a request was not served");
            }
        }
        _ => {}
    }
}

/// Allows a few lines per second.
struct Throttle {
    second: AtomicI64,
    lines: AtomicU64,
}

impl Throttle {
    const LINES_PER_SECOND: u64 = 5;

    const fn new() -> Self {
        Throttle { second: AtomicI64::new(0), lines: AtomicU64::new(0) }
    }

    /// Returns the number of lines suppressed since the last second with lines; `None` if no line may be written.
    fn pass(&self, second: i64) -> Option<u64> {
        let suppressed = match self.second.swap(second, Ordering::Relaxed) == second {
            true => 0,
            false => self.lines.swap(0, Ordering::Relaxed).saturating_sub(Self::LINES_PER_SECOND),
        };
        (self.lines.fetch_add(1, Ordering::Relaxed) < Self::LINES_PER_SECOND).then_some(suppressed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::problem_code::ProblemCode;
    use super::*;

    #[test]
    fn only_a_store_that_may_have_sold_leaves_the_outcome_unknown() {
        let unknown = |error| while_selling(error, "Repeat the request.").is_of_unknown_outcome();
        assert!(!unknown(StoreError::Fenced));
        assert!(!unknown(StoreError::Busy("full")));
        assert!(unknown(StoreError::Unreachable("timed out".into())));
        assert!(unknown(StoreError::Corrupt("?".into())));
        assert_eq!(Problem::from(StoreError::Fenced).code(), ProblemCode::Unavailable);
    }

    #[test]
    fn the_log_gets_the_chain_of_causes() {
        let error = StoreError::Unreachable("connection refused".into());
        assert_eq!(Chain(&error).to_string(), "the store did not answer: connection refused");
    }

    #[test]
    fn many_failures_are_a_few_lines() {
        let throttle = Throttle::new();
        assert_eq!((0..1_000).filter(|_| throttle.pass(7).is_some()).count(), 5);
        assert_eq!(throttle.pass(8), Some(995));
        assert_eq!(throttle.pass(8), Some(0));
    }
}
