//! The log of errors that repeat: a task that retries ten times a second would fill it.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::infrastructure::telemetry::Chain;

/// Shortest time between two lines about the same failure.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Most failures that are told apart. Beyond it all are forgotten: that bounds the memory.
const FAILURES_MAX: usize = 1_000;

static LINES: Mutex<Lines> = Mutex::new(Lines(BTreeMap::new()));

/// Logs an error with its causes at once, and while it repeats every ten seconds, with the number of lines left out.
pub fn log<T, E: Error>(result: Result<T, E>, what: &'static str) {
    let Err(error) = result else { return };
    let causes = Chain(&error).to_string();
    let passed = LINES.lock().unwrap_or_else(PoisonError::into_inner).pass(what, &causes, Instant::now());
    if let Some(suppressed) = passed {
        tracing::warn!(causes, suppressed, "{what}");
    }
}

/// The last line about each failure: the work that failed, and its causes.
struct Lines(BTreeMap<(&'static str, String), Line>);

struct Line {
    next_at: Instant,
    suppressed: u64,
}

impl Lines {
    /// Returns the number of lines suppressed since the last one about this failure; `None` if no line may be written.
    fn pass(&mut self, what: &'static str, causes: &str, now: Instant) -> Option<u64> {
        if self.0.len() >= FAILURES_MAX {
            self.0.clear();
        }
        let line = self.0.entry((what, causes.to_owned())).or_insert(Line { next_at: now, suppressed: 0 });
        if now < line.next_at {
            line.suppressed += 1;
            return None;
        }
        line.next_at = now + LINE_EVERY;
        Some(std::mem::take(&mut line.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_that_repeats_is_one_line_in_ten_seconds_and_another_one_is_a_line_at_once() {
        let (mut lines, start) = (Lines(BTreeMap::new()), Instant::now());
        let mut pass =
            |what, causes, tenths: u64| lines.pass(what, causes, start + Duration::from_millis(tenths * 100));
        assert_eq!(pass("counting", "refused", 0), Some(0));
        assert_eq!((1..100).filter_map(|tenths| pass("counting", "refused", tenths)).count(), 0);
        assert_eq!(pass("counting", "timed out", 50), Some(0));
        assert_eq!(pass("returning", "refused", 50), Some(0));
        assert_eq!(pass("counting", "refused", 100), Some(99));
        assert_eq!((pass("counting", "refused", 101), pass("counting", "refused", 250)), (None, Some(1)));
    }

    #[test]
    fn failures_that_are_all_different_take_bounded_memory() {
        let (mut lines, now) = (Lines(BTreeMap::new()), Instant::now());
        for failure in 0..10 * FAILURES_MAX {
            assert_eq!(lines.pass("counting", &failure.to_string(), now), Some(0));
            assert!(lines.0.len() <= FAILURES_MAX);
        }
    }
}
