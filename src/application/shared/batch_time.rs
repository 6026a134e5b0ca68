//! The measured time of a batch, and the wait that follows from it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Longest expected wait in a queue. A request that would wait for longer is refused before it takes anything.
pub const EXPECTED_WAIT_MAX: Duration = Duration::from_millis(250);

/// The share of the newest batch in the average.
const NEWEST: u64 = 4;

/// The mean time of the last batches of a queue that is served in batches.
#[derive(Debug)]
pub struct BatchTime {
    batch_max: usize,
    nanoseconds: AtomicU64,
}

impl BatchTime {
    /// The time of batches of up to this many requests, before any was measured.
    pub fn new(batch_max: usize) -> Self {
        BatchTime { batch_max, nanoseconds: AtomicU64::new(0) }
    }

    /// Notes the time of a batch.
    pub fn note(&self, took: Duration) {
        let (mean, took) = (self.nanoseconds.load(Ordering::Relaxed), took.as_nanos() as u64);
        self.nanoseconds.store(mean - mean / NEWEST + took / NEWEST, Ordering::Relaxed);
    }

    /// Returns true if a request would wait for too long for the whole batches among those that wait already.
    pub fn is_too_long_after(&self, waiting: usize) -> bool {
        let batches = (waiting / self.batch_max) as u64;
        let expected = self.nanoseconds.load(Ordering::Relaxed).saturating_mul(batches);
        Duration::from_nanos(expected) > EXPECTED_WAIT_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expected_wait_is_the_batches_ahead_times_the_measured_time_of_one() {
        let time = BatchTime::new(32);
        assert!(!time.is_too_long_after(1_000_000), "nothing is measured");
        (0..50).for_each(|_| time.note(Duration::from_millis(10)));
        assert!(!time.is_too_long_after(25 * 32));
        assert!(time.is_too_long_after(26 * 32));
        (0..50).for_each(|_| time.note(Duration::from_millis(1)));
        assert!(!time.is_too_long_after(200 * 32));
        assert!(time.is_too_long_after(300 * 32));
    }

    #[test]
    fn less_than_a_batch_is_always_admitted() {
        let time = BatchTime::new(32);
        time.note(Duration::from_secs(60));
        assert!(!time.is_too_long_after(31));
        assert!(time.is_too_long_after(32));
    }
}
