//! Estimates of the wait, from the places that were called lately.

use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// The time over which calls are measured, and the least time that says something about them.
const MEASURED: TimeDelta = TimeDelta::seconds(30);
const MEASURED_MIN: TimeDelta = TimeDelta::seconds(5);

/// The margin of an estimate.
const MARGIN: f64 = 1.2;

/// The places that were called lately: how many, as of some times.
#[derive(Debug, Default)]
pub struct Calls(VecDeque<(DateTime<Utc>, u64)>);

/// A range for a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    pub low: Duration,
    pub high: Duration,
}

impl Calls {
    /// Notes that this many places have been called by now.
    pub fn note(&mut self, now: DateTime<Utc>, called: u64) {
        self.0.push_back((now, called));
        while self.0.front().is_some_and(|(at, _)| now - *at > MEASURED) {
            self.0.pop_front();
        }
    }

    /// Forgets all: no place could be called.
    pub fn forget(&mut self) {
        self.0.clear();
    }

    /// Returns the calls per second; `None` if they are not measured yet.
    pub fn per_second(&self) -> Option<f64> {
        let (first, last) = (self.0.front()?, self.0.back()?);
        let elapsed = last.0 - first.0;
        (elapsed >= MEASURED_MIN).then(|| last.1.saturating_sub(first.1) as f64 / elapsed.as_seconds_f64())
    }
}

impl Wait {
    /// Estimates the wait until this many further places are called, at this measured number of calls per second. The
    /// estimate is never shorter than `rate`, the highest number of calls per second, permits. `None` while nothing is
    /// called.
    pub fn until(places: u64, per_second: Option<f64>, rate: u32) -> Option<Wait> {
        let fastest = f64::from(rate);
        let measured = per_second.unwrap_or(fastest).min(fastest);
        if measured <= 0.0 {
            return None;
        }
        let seconds = |seconds: f64| Duration::from_secs(seconds.ceil() as u64);
        let expected = places as f64 / measured;
        let low = (expected / MARGIN).max(places as f64 / fastest);
        Some(Wait { low: seconds(low), high: seconds(expected * MARGIN) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn calls_are_measured_over_the_last_half_minute() {
        let mut calls = Calls::default();
        assert_eq!(calls.per_second(), None);
        for second in 0..=40 {
            calls.note(at(second), if second < 10 { 0 } else { (second as u64 - 10) * 100 });
            if second == 4 {
                assert_eq!(calls.per_second(), None);
            }
        }
        assert_eq!(calls.per_second(), Some(100.0));
        assert!(calls.0.len() < 40);
        calls.forget();
        assert_eq!(calls.per_second(), None);
    }

    #[test]
    fn an_estimate_is_a_range_that_the_rate_permits() {
        let wait =
            |per_second| Wait::until(1_000, per_second, 100).map(|wait| (wait.low.as_secs(), wait.high.as_secs()));
        assert_eq!(wait(None), Some((10, 12)));
        assert_eq!(wait(Some(100.0)), Some((10, 12)));
        assert_eq!(wait(Some(500.0)), Some((10, 12)));
        assert_eq!(wait(Some(10.0)), Some((84, 120)));
        assert_eq!(wait(Some(0.0)), None);
        assert_eq!(Wait::until(1_000, None, 0), None);
    }
}
