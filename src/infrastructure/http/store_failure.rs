//! What a request needs and does not get: a store that cannot do it, or a service with too much to do.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use chrono::Utc;

use crate::application::shared::StoreError;
use crate::infrastructure::metrics;
use crate::infrastructure::telemetry::Chain;

use super::problem::Problem;
use super::router::Route;

impl From<StoreError> for Problem {
    /// For what can simply be asked again.
    fn from(error: StoreError) -> Self {
        let problem = match &error {
            StoreError::Fenced | StoreError::Busy(_) => Problem::unavailable(
                "The service cannot do this at the moment, and did nothing. Try again in a second.",
            ),
            StoreError::Unreachable(_) | StoreError::Corrupt(_) => {
                Problem::unavailable("The service cannot do this at the moment. Try again in a second.")
            }
        };
        problem.caused_by(error)
    }
}

/// For what sells: where the store may have sold without saying so, the caller must not take it for refused.
pub fn while_selling(error: StoreError, ask_again: &'static str) -> Problem {
    match &error {
        StoreError::Fenced | StoreError::Busy(_) => Problem::from(error),
        StoreError::Unreachable(_) | StoreError::Corrupt(_) => {
            Problem::unavailable(ask_again).of_unknown_outcome().caused_by(error)
        }
    }
}

/// Counts what a store did not do, and logs what was not served although it was rightly asked for: a few lines a
/// second, however many requests fail.
pub fn report(problem: &Problem, route: Route, request_id: &str) {
    static FAILED: Throttle = Throttle::new();
    static REFUSED: Throttle = Throttle::new();
    let (now, route) = (Utc::now().timestamp(), route.pattern());
    problem.cause().inspect(|error| metrics::store_failure(error));
    match problem.cause() {
        Some(error @ (StoreError::Unreachable(_) | StoreError::Corrupt(_))) => {
            if let Some(unsaid) = FAILED.pass(now) {
                tracing::error!(error = %Chain(error), route, request_id, unsaid, "a store failed");
            }
        }
        cause if problem.code().status().is_server_error() => {
            if let Some(unsaid) = REFUSED.pass(now) {
                let reason = cause.map_or_else(|| problem.detail().to_owned(), ToString::to_string);
                tracing::warn!(reason, route, request_id, unsaid, "not served");
            }
        }
        _ => {}
    }
}

/// Lets through a few lines a second.
struct Throttle {
    second: AtomicI64,
    lines: AtomicU64,
}

impl Throttle {
    const LINES_A_SECOND: u64 = 5;

    const fn new() -> Self {
        Throttle { second: AtomicI64::new(0), lines: AtomicU64::new(0) }
    }

    /// Whether a line may be written, and how many were not since the last second with lines.
    fn pass(&self, second: i64) -> Option<u64> {
        let unsaid = match self.second.swap(second, Ordering::Relaxed) == second {
            true => 0,
            false => self.lines.swap(0, Ordering::Relaxed).saturating_sub(Self::LINES_A_SECOND),
        };
        (self.lines.fetch_add(1, Ordering::Relaxed) < Self::LINES_A_SECOND).then_some(unsaid)
    }
}

#[cfg(test)]
mod tests {
    use super::super::code::ProblemCode;
    use super::*;

    #[test]
    fn only_a_store_that_may_have_sold_leaves_the_outcome_open() {
        let unknown = |error| while_selling(error, "Ask again.").is_of_unknown_outcome();
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
    fn a_storm_of_failures_is_a_few_lines() {
        let throttle = Throttle::new();
        assert_eq!((0..1_000).filter(|_| throttle.pass(7).is_some()).count(), 5);
        assert_eq!(throttle.pass(8), Some(995));
        assert_eq!(throttle.pass(8), Some(0));
    }
}
