//! The clock of Redis, as this instance estimates it.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

/// An estimate of the clock of Redis. It is good enough for display; decisions use the real one.
#[derive(Debug, Default)]
pub struct Clock {
    offset_ms: AtomicI64,
}

impl Clock {
    /// Returns the estimated time of Redis.
    pub fn now(&self) -> DateTime<Utc> {
        Utc::now() + TimeDelta::milliseconds(self.offset_ms.load(Ordering::Relaxed))
    }

    /// Adjusts the estimate to a time that Redis has just reported.
    pub fn set(&self, now: DateTime<Utc>) {
        self.offset_ms.store((now - Utc::now()).num_milliseconds(), Ordering::Relaxed);
    }
}
