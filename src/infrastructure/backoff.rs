//! Exponential back-off between restarts.

use std::time::{Duration, Instant};

/// The pauses before the restarts of something that keeps failing: 100 ms, then twice as long each time, up to 5 s.
#[derive(Debug, Default)]
pub struct Backoff {
    last: Option<(Instant, Duration)>,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(5);

    /// After it ran for this long, the next failure counts as the first one.
    const HEALTHY_AFTER: Duration = Duration::from_secs(10);

    /// Returns the pause after a failure at `now`.
    pub fn pause(&mut self, now: Instant) -> Duration {
        let pause = match self.last {
            Some((last, pause)) if now < last + pause + Self::HEALTHY_AFTER => (pause * 2).min(Self::LONGEST),
            _ => Self::FIRST,
        };
        self.last = Some((now, pause));
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_it_has_run_for_a_while() {
        let mut backoff = Backoff::default();
        let start = Instant::now();
        let mut millis = |seconds| backoff.pause(start + Duration::from_secs(seconds)).as_millis();
        let pauses: Vec<_> = (0..8).map(&mut millis).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(millis(60), 100);
    }
}
