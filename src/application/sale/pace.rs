//! The pace of an audit: the share of Redis' time that it takes.

use std::time::{Duration, Instant};

/// Longest time that Redis spends on a read, and on each of its entries (0.9 us for `HSCAN`, measured; less for others).
/// An answer that took longer waited for other commands.
const READ_MAX: Duration = Duration::from_micros(50);
const ENTRY_MAX: Duration = Duration::from_micros(1);

/// Shortest pause: many short ones would cost more than they save.
const PAUSE_MIN: Duration = Duration::from_millis(4);

/// Measures the reads of an audit, and pauses after them.
#[derive(Debug)]
pub struct Pace {
    /// Pause after a read, in multiples of its duration.
    rest: u32,
    due: Duration,
    /// Time that Redis spent on the audit, at most.
    pub redis_time: Duration,
    /// Differences that could not be decided.
    pub skipped: u64,
}

impl Pace {
    /// A pace that takes at most 1/20 of Redis' time.
    pub fn of_an_audit() -> Self {
        Pace { rest: 19, ..Pace::without_pauses() }
    }

    /// A pace without pauses.
    pub fn without_pauses() -> Self {
        Pace { rest: 0, due: Duration::ZERO, redis_time: Duration::ZERO, skipped: 0 }
    }

    /// Waits for a read of up to this many entries, and pauses if a pause is due.
    pub async fn read<T>(&mut self, entries: u64, read: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let result = read.await;
        let longest = READ_MAX + ENTRY_MAX * u32::try_from(entries).unwrap_or(u32::MAX);
        let took = started.elapsed().min(longest);
        self.redis_time += took;
        self.due += took * self.rest;
        if self.due >= PAUSE_MIN {
            tokio::time::sleep(std::mem::take(&mut self.due)).await;
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_audit_takes_a_twentieth_of_the_time_and_does_not_count_the_queue() {
        let mut pace = Pace::of_an_audit();
        let started = Instant::now();
        for _ in 0..3 {
            pace.read(950, async { std::thread::sleep(Duration::from_millis(3)) }).await;
        }
        assert_eq!(pace.redis_time, Duration::from_millis(3));
        assert!(started.elapsed() >= pace.redis_time * 19, "{:?}", started.elapsed());
    }
}
