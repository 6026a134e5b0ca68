//! The id of a sale.

use std::fmt;
use std::str::FromStr;

use super::Invalid;
use super::text_form::serde_as_text;
use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};

/// The origin of a sale: the schedule (exactly one sale per period), or an administrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaleKind {
    Hourly,
    Special,
}

/// The name of a sale: its start in UTC without trailing zeros, and for a sale that an administrator made four
/// hexadecimal digits. `20261120T09`, `20261120T0930-7f3a`, `20261120T093002`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SaleId {
    starts_at_seconds: i64,
    suffix: Option<u16>,
}

impl SaleId {
    /// The last year in which a sale can start: an id has four digits for it.
    pub const LAST_YEAR: i32 = 9999;

    /// The periodic sale that starts at this time.
    pub fn hourly(starts_at: DateTime<Utc>) -> Self {
        SaleId::new(starts_at, None)
    }

    /// A sale that an administrator made; `suffix` distinguishes sales that start in the same second.
    pub fn special(starts_at: DateTime<Utc>, suffix: u16) -> Self {
        SaleId::new(starts_at, Some(suffix))
    }

    fn new(starts_at: DateTime<Utc>, suffix: Option<u16>) -> Self {
        // An id that cannot be read again would make the list of all sales unreadable.
        assert!((0..=Self::LAST_YEAR).contains(&starts_at.year()), "no sale id has the year of {starts_at}");
        SaleId { starts_at_seconds: starts_at.timestamp(), suffix }
    }

    /// Returns the start of the sale, to the second.
    pub fn starts_at(self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.starts_at_seconds, 0)
            .unwrap_or_else(|| unreachable!("every sale id is made from a time"))
    }

    /// Returns the maker of the sale.
    pub fn kind(self) -> SaleKind {
        match self.suffix {
            None => SaleKind::Hourly,
            Some(_) => SaleKind::Special,
        }
    }
}

impl fmt::Display for SaleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Ids are printed several times a request, and chrono would parse its format each time.
        let at = self.starts_at().naive_utc();
        let date = (at.year() as u32 * 100 + at.month()) * 100 + at.day();
        write!(f, "{date:08}T{:02}", at.hour())?;
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
        parse_sale_id(text).ok_or_else(|| Invalid::new("must be a sale id such as 20261120T09"))
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

serde_as_text!(SaleId);

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
    #[should_panic = "no sale id has the year"]
    fn a_year_of_five_digits_has_no_sale_id() {
        let _id = SaleId::hourly(at("+10000-01-01T00:00:00Z"));
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
}
