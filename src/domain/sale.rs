//! A sale: a window of time that sells a fixed set of items.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Timelike, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Currency, Invalid};

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
            return Err(Invalid("must not end before it starts"));
        }
        Ok(Window { starts_at, ends_at })
    }

    /// The window of the periodic sale that is on at `now`: windows follow one another without a gap,
    /// counted from the Unix epoch, so every host finds the same ones whatever its time zone.
    pub fn containing(now: DateTime<Utc>, every: Duration) -> Self {
        let every_seconds = (every.as_secs() as i64).max(1);
        let starts = now.timestamp().div_euclid(every_seconds) * every_seconds;
        let starts_at = DateTime::from_timestamp(starts, 0).unwrap_or_default();
        Window { starts_at, ends_at: starts_at + TimeDelta::seconds(every_seconds) }
    }

    /// The window of the same length that begins where this one ends.
    pub fn next(self) -> Self {
        Window { starts_at: self.ends_at, ends_at: self.ends_at + (self.ends_at - self.starts_at) }
    }

    /// Whether it never sells: a sale that was ended before it began.
    pub fn is_empty(&self) -> bool {
        self.ends_at <= self.starts_at
    }

    /// Where `now` lies: before, in or after the window.
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

/// The life cycle of a sale as a shopper sees it; time alone moves it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SaleStatus {
    Scheduled,
    Open,
    Ended,
}

impl FromStr for SaleStatus {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "scheduled" => Ok(SaleStatus::Scheduled),
            "open" => Ok(SaleStatus::Open),
            "ended" => Ok(SaleStatus::Ended),
            _ => Err(Invalid("must be scheduled, open or ended")),
        }
    }
}

/// Who made a sale: the schedule (exactly one per period), or an administrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaleKind {
    Hourly,
    Special,
}

/// The name of a sale: its start in UTC, as short as it can be said, and for a sale that an
/// administrator made four hexadecimal digits. `20261120T09`, `20261120T0930-7f3a`, `20261120T093002`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SaleId {
    starts_at_seconds: i64,
    suffix: Option<u16>,
}

impl SaleId {
    /// The periodic sale that starts at this time.
    pub fn hourly(starts_at: DateTime<Utc>) -> Self {
        SaleId { starts_at_seconds: starts_at.timestamp(), suffix: None }
    }

    /// A sale that an administrator made; `suffix` tells apart those that start in the same second.
    pub fn special(starts_at: DateTime<Utc>, suffix: u16) -> Self {
        SaleId { starts_at_seconds: starts_at.timestamp(), suffix: Some(suffix) }
    }

    /// When the sale starts, to the second.
    pub fn starts_at(self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.starts_at_seconds, 0).unwrap_or_default()
    }

    /// Who made the sale.
    pub fn kind(self) -> SaleKind {
        match self.suffix {
            None => SaleKind::Hourly,
            Some(_) => SaleKind::Special,
        }
    }
}

impl fmt::Display for SaleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Ids are printed several times a request, and chrono would read its format anew each time.
        let at = self.starts_at();
        write!(f, "{:04}{:02}{:02}T{:02}", at.year(), at.month(), at.day(), at.hour())?;
        if at.minute() != 0 || at.second() != 0 {
            write!(f, "{:02}", at.minute())?;
        }
        if at.second() != 0 {
            write!(f, "{:02}", at.second())?;
        }
        match self.suffix {
            Some(suffix) => write!(f, "-{suffix:04x}"),
            None => Ok(()),
        }
    }
}

impl FromStr for SaleId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        parse_sale_id(text).ok_or(Invalid("must be a sale id such as 20261120T09"))
    }
}

/// Reads a sale id and accepts it only as this module would print it, so that a sale has one name.
fn parse_sale_id(text: &str) -> Option<SaleId> {
    let (start, suffix) = match text.split_once('-') {
        Some((start, suffix)) => (start, Some(u16::from_str_radix(suffix, 16).ok()?)),
        None => (text, None),
    };
    let number = |place: std::ops::Range<usize>| start.get(place)?.parse::<u32>().ok();
    let if_longer = |length: usize| if start.len() > length { number(length..length + 2) } else { Some(0) };
    let date = NaiveDate::from_ymd_opt(number(0..4)? as i32, number(4..6)?, number(6..8)?)?;
    let starts_at = date.and_hms_opt(number(9..11)?, if_longer(11)?, if_longer(13)?)?;
    let id = SaleId { starts_at_seconds: starts_at.and_utc().timestamp(), suffix };
    (id.to_string() == text).then_some(id)
}

impl TryFrom<String> for SaleId {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<SaleId> for String {
    fn from(id: SaleId) -> String {
        id.to_string()
    }
}

/// A sale and its rules. Its items are in its [`Catalog`](super::Catalog).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sale {
    pub id: SaleId,
    pub window: Window,
    /// Units that one user may own.
    pub user_limit: u32,
    pub currency: Currency,
    /// How many items the sale sells.
    pub items: u32,
    /// How many units these items have together.
    pub units: u32,
    /// It has ended and everything of it is in PostgreSQL: Redis is not needed for it any more.
    pub closed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_sale_id_is_as_short_as_its_start_allows() {
        for (start, id) in [
            ("2026-11-20T09:00:00Z", "20261120T09"),
            ("2026-11-20T09:30:00Z", "20261120T0930"),
            ("2026-11-20T09:30:02Z", "20261120T093002"),
            ("2026-11-20T09:00:02Z", "20261120T090002"),
        ] {
            assert_eq!(SaleId::hourly(at(start)).to_string(), id);
            assert_eq!(id.parse::<SaleId>().unwrap(), SaleId::hourly(at(start)));
        }
        let special = SaleId::special(at("2026-11-20T09:30:00Z"), 0x7f3a);
        assert_eq!(special.to_string(), "20261120T0930-7f3a");
        assert_eq!("20261120T0930-7f3a".parse::<SaleId>().unwrap(), special);
        assert_eq!(SaleId::special(at("2026-11-20T09:00:00Z"), 10).to_string(), "20261120T09-000a");
    }

    #[test]
    fn a_sale_has_one_name() {
        for text in [
            "",
            "abc",
            "2026112009",
            "20261120T0900",
            "20261120T090000",
            "20261320T09",
            "20261120T25",
            "20261120T09-",
            "20261120T09-7F3A",
            "20261120T09-7f3",
            "20261120T09-07f3a",
            "20261120T09-+f3a",
            "20261120T09 ",
            "+0261120T09",
            "20261120T09-7f3a-7f3a",
            "20261120T235960",
        ] {
            assert!(text.parse::<SaleId>().is_err(), "{text:?}");
        }
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
