//! The clocks: Redis decides by its own, and no other may contradict it.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};

use crate::application::shared::StoreError;
use crate::domain::sale::{SaleStatus, Window};

/// Largest difference between two clocks with which anything is sold, opened or closed.
pub(super) const TOLERANCE: TimeDelta = TimeDelta::seconds(2);

/// Largest error of the estimate of the clock of Redis while that runs evenly.
const ESTIMATE_ERROR: TimeDelta = TimeDelta::milliseconds(250);

/// The answer while two clocks differ by more.
pub(super) const CLOCKS_DIFFER: StoreError =
    StoreError::Busy("the clocks of Redis, PostgreSQL and this host differ by more than two seconds");

/// An estimate of the clock of Redis, good enough for display; decisions use the real one. It runs on by the monotonic
/// clock: a step of the clock of this host must not show a sale that has not begun. It also knows if the clocks agreed when
/// they were last compared.
#[derive(Debug)]
pub struct Clock {
    began: Instant,
    /// The estimate at that moment, in microseconds since the Unix epoch.
    began_us: AtomicI64,
    differ: AtomicBool,
    difference_ms: AtomicI64,
    #[cfg(test)]
    host_offset_ms: AtomicI64,
}

impl Default for Clock {
    /// A clock that nobody has compared yet: it shows the time of the host.
    fn default() -> Self {
        Clock {
            began: Instant::now(),
            began_us: AtomicI64::new(Utc::now().timestamp_micros()),
            differ: AtomicBool::default(),
            difference_ms: AtomicI64::default(),
            #[cfg(test)]
            host_offset_ms: AtomicI64::default(),
        }
    }
}

impl Clock {
    /// Returns the estimated time of Redis.
    pub fn now(&self) -> DateTime<Utc> {
        let now_us = self.began_us.load(Ordering::Relaxed) + self.elapsed_us();
        DateTime::from_timestamp_micros(now_us).unwrap_or_else(|| self.host())
    }

    /// Adjusts the estimate to a time that Redis has just reported.
    pub fn set(&self, now: DateTime<Utc>) {
        self.began_us.store(now.timestamp_micros() - self.elapsed_us(), Ordering::Relaxed);
    }

    fn elapsed_us(&self) -> i64 {
        self.began.elapsed().as_micros() as i64
    }

    /// Returns true if the clocks agreed when they were last compared.
    pub fn is_trusted(&self) -> bool {
        !self.differ.load(Ordering::Relaxed)
    }

    /// Returns the difference between the clocks when they were last compared, at least.
    pub fn difference(&self) -> TimeDelta {
        TimeDelta::milliseconds(self.difference_ms.load(Ordering::Relaxed))
    }

    /// Returns true if a sale has started by the estimate, however wrong that may be. If Redis says that it has not, its
    /// clock has jumped since they were compared.
    pub fn has_surely_started(&self, window: &Window) -> bool {
        !window.is_empty() && window.starts_at <= self.now() - ESTIMATE_ERROR
    }

    /// Returns true if a sale is open by every clock that this instance may trust. If Redis says that it is not, its clock
    /// has jumped, or another instance has just ended the sale.
    pub fn is_surely_open(&self, window: &Window) -> bool {
        let now = self.now();
        [now - TOLERANCE, now + TOLERANCE].iter().all(|time| window.status(*time) == SaleStatus::Open)
    }

    /// Returns the time of this host.
    pub(super) fn host(&self) -> DateTime<Utc> {
        #[cfg(test)]
        let shift = TimeDelta::milliseconds(self.host_offset_ms.load(Ordering::Relaxed));
        #[cfg(not(test))]
        let shift = TimeDelta::zero();
        Utc::now() + shift
    }

    /// Sets the clock of the host.
    #[cfg(test)]
    pub fn set_host(&self, now: DateTime<Utc>) {
        self.host_offset_ms.store((now - Utc::now()).num_milliseconds(), Ordering::Relaxed);
    }

    /// Records the difference between the clocks.
    pub(super) fn judge(&self, difference: TimeDelta) {
        self.difference_ms.store(difference.num_milliseconds(), Ordering::Relaxed);
        let differ = difference > TOLERANCE;
        if self.differ.swap(differ, Ordering::Relaxed) != differ {
            match differ {
                true => tracing::error!(%difference, "{CLOCKS_DIFFER}: nothing is sold until they agree"),
                false => tracing::info!("the clocks agree again"),
            }
        }
    }
}

/// The offset of a clock from that of the host, as precisely as the time for its answer shows it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Offset {
    pub least: TimeDelta,
    pub most: TimeDelta,
}

/// Returns the difference that two of the clocks have at least.
pub(super) fn certain_difference(offsets: [Offset; 3]) -> TimeDelta {
    let ahead = offsets.iter().map(|offset| offset.least).max().unwrap_or_default();
    let behind = offsets.iter().map(|offset| offset.most).min().unwrap_or_default();
    (ahead - behind).max(TimeDelta::zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(least: i64, most: i64) -> Offset {
        Offset { least: TimeDelta::milliseconds(least), most: TimeDelta::milliseconds(most) }
    }

    #[test]
    fn a_sale_has_surely_started_a_moment_after_its_start_and_is_surely_open_two_seconds_from_its_ends() {
        let (clock, start) = (Clock::default(), "2026-11-20T09:00:00Z".parse::<DateTime<Utc>>().unwrap());
        let window = Window::containing(start, std::time::Duration::from_secs(3_600));
        for (milliseconds, has_started, is_open) in [
            (-300, false, false),
            (100, false, false),
            (1_000, true, false),
            (3_000, true, true),
            (3_597_000, true, true),
            (3_599_000, true, false),
        ] {
            clock.set(start + TimeDelta::milliseconds(milliseconds));
            let found = (clock.has_surely_started(&window), clock.is_surely_open(&window));
            assert_eq!(found, (has_started, is_open), "{milliseconds}");
        }
    }

    #[test]
    fn a_step_of_the_clock_of_the_host_does_not_move_the_estimate() {
        let (clock, now) = (Clock::default(), "2026-11-20T09:00:00Z".parse::<DateTime<Utc>>().unwrap());
        clock.set(now);
        clock.set_host(now + TimeDelta::hours(1));
        assert!(clock.now() - now < TimeDelta::minutes(30));
    }

    #[test]
    fn a_slow_answer_is_no_difference() {
        for (redis, postgresql, expected) in [
            (offset(-1, 1), offset(-5_000, 0), 0),
            (offset(-1, 1), offset(-9_000, -3_000), 3_000),
            (offset(2_500, 2_600), offset(-1, 1), 2_500),
            (offset(1_500, 1_501), offset(-1_500, -1_400), 2_900),
        ] {
            let difference = certain_difference([redis, postgresql, Offset::default()]);
            assert_eq!(difference.num_milliseconds(), expected);
        }
    }
}
