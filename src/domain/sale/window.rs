//! The time in which a sale sells.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::shared::Invalid;

use super::SaleStatus;

/// The half-open time `[starts_at, ends_at)` in which a sale sells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
}

impl Window {
    /// A window that does not end before it starts. One that ends where it starts never sells.
    pub fn new(starts_at: DateTime<Utc>, ends_at: DateTime<Utc>) -> Result<Self, Invalid> {
        if ends_at < starts_at {
            return Err(Invalid::new("must not end before it starts"));
        }
        Ok(Window { starts_at, ends_at })
    }

    /// The window of the periodic sale that is open at `now`. Windows follow one another without a gap, counted from the
    /// Unix epoch, so every host finds the same ones whatever its time zone.
    pub fn containing(now: DateTime<Utc>, every: Duration) -> Self {
        let every_seconds = every.as_secs() as i64;
        assert!(every_seconds > 0, "a period is at least a second");
        let starts = now.timestamp().div_euclid(every_seconds) * every_seconds;
        let starts_at = DateTime::from_timestamp(starts, 0)
            .unwrap_or_else(|| unreachable!("a period that contains a time starts at a time"));
        Window { starts_at, ends_at: starts_at + TimeDelta::seconds(every_seconds) }
    }

    /// Returns the window of the same length that begins where this one ends.
    pub fn next(self) -> Self {
        Window { starts_at: self.ends_at, ends_at: self.ends_at + (self.ends_at - self.starts_at) }
    }

    /// Returns true if it never sells: the sale was ended before it began.
    pub fn is_empty(&self) -> bool {
        self.ends_at <= self.starts_at
    }

    /// Returns the state of the sale at `now`.
    pub fn status(&self, now: DateTime<Utc>) -> SaleStatus {
        if now >= self.ends_at || self.is_empty() {
            SaleStatus::Ended
        } else if now >= self.starts_at {
            SaleStatus::Open
        } else {
            SaleStatus::Scheduled
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn windows_follow_one_another_without_a_gap() {
        let hour = Window::containing(at("2026-11-20T09:37:12.345Z"), Duration::from_secs(3600));
        assert_eq!(hour.starts_at, at("2026-11-20T09:00:00Z"));
        assert_eq!(hour.next().starts_at, at("2026-11-20T10:00:00Z"));
        assert_eq!(Window::containing(hour.ends_at, Duration::from_secs(3600)), hour.next());
        assert_eq!(hour.status(at("2026-11-20T08:59:59.999Z")), SaleStatus::Scheduled);
        assert_eq!(hour.status(at("2026-11-20T09:00:00Z")), SaleStatus::Open);
        assert_eq!(hour.status(at("2026-11-20T09:59:59.999Z")), SaleStatus::Open);
        assert_eq!(hour.status(at("2026-11-20T10:00:00Z")), SaleStatus::Ended);
    }
}
