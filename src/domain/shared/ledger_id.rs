//! The id of a ledger entry.

use std::fmt;
use std::str::FromStr;

use super::Invalid;
use super::text_form::serde_as_text;
use chrono::{DateTime, Utc};

/// The id `<milliseconds>-<number>` of a ledger entry; totally ordered within a sale.
///
/// The time never goes back. The number counts the entries of the sale without gaps, modulo 2^20: a reader that misses a
/// number knows that an entry is missing. Packed into 63 bits (43 for the time, 20 for the number), an id is one `bigint`
/// in PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct LedgerId(u64);

impl LedgerId {
    const SEQUENCE_BITS: u32 = 20;
    const SEQUENCE_MAX: u64 = (1 << Self::SEQUENCE_BITS) - 1;
    const MILLISECONDS_MAX: u64 = (1 << 43) - 1;

    /// Before every entry.
    pub const ZERO: LedgerId = LedgerId(0);

    /// After every entry.
    pub const MAX: LedgerId = LedgerId(i64::MAX as u64);

    /// Returns the time of the decision by the clock of Redis.
    pub fn time(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.milliseconds() as i64)
            .unwrap_or_else(|| unreachable!("43 bits of milliseconds end in the year 2248"))
    }

    /// Returns the id of the entry after this one, decided at `now`.
    pub fn following(self, now: DateTime<Utc>) -> LedgerId {
        let ms = self.milliseconds().max(u64::try_from(now.timestamp_millis()).unwrap_or(0));
        let number = (self.number() + 1) & Self::SEQUENCE_MAX;
        LedgerId((ms + u64::from(number == 0)) << Self::SEQUENCE_BITS | number)
    }

    /// Returns true if no entry is missing between this one and `next`.
    pub fn precedes(self, next: LedgerId) -> bool {
        self < next && (self.number() + 1) & Self::SEQUENCE_MAX == next.number()
    }

    /// Returns the least id above this one.
    pub const fn next(self) -> LedgerId {
        LedgerId(self.0 + 1)
    }

    /// Returns the packed id, a `bigint`.
    pub fn to_i64(self) -> i64 {
        self.0 as i64
    }

    fn milliseconds(self) -> u64 {
        self.0 >> Self::SEQUENCE_BITS
    }

    fn number(self) -> u64 {
        self.0 & Self::SEQUENCE_MAX
    }
}

impl TryFrom<i64> for LedgerId {
    type Error = Invalid;

    fn try_from(packed: i64) -> Result<Self, Invalid> {
        u64::try_from(packed).map(LedgerId).map_err(|_| Invalid::new("must not be negative"))
    }
}

impl fmt::Display for LedgerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.milliseconds(), self.number())
    }
}

impl FromStr for LedgerId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let parts = text.split_once('-').and_then(|(ms, seq)| Some((number(ms)?, number(seq)?)));
        match parts {
            Some((ms, seq)) if ms <= Self::MILLISECONDS_MAX && seq <= Self::SEQUENCE_MAX => {
                Ok(LedgerId(ms << Self::SEQUENCE_BITS | seq))
            }
            _ => Err(Invalid::new("must be a ledger id such as 1763632800000-0")),
        }
    }
}

/// Reads a number that is written as Redis writes it, so that an id has one text.
fn number(text: &str) -> Option<u64> {
    let is_padded = text.len() > 1 && text.starts_with('0');
    text.parse().ok().filter(|_| !is_padded && !text.starts_with('+'))
}

serde_as_text!(LedgerId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ledger_ids_are_ordered_as_redis_orders_them() {
        let ids = ["0-1", "1763632800000-0", "1763632800000-1", "1763632800001-0", "1763632800001-1048575"];
        let parsed: Vec<LedgerId> = ids.iter().map(|id| id.parse().unwrap()).collect();
        assert!(parsed.is_sorted());
        for (id, text) in parsed.iter().zip(ids) {
            assert_eq!(id.to_string(), text);
            assert_eq!(LedgerId::try_from(id.to_i64()).unwrap(), *id);
        }
        assert_eq!(parsed[1].next(), parsed[2]);
        assert!(parsed[4] < LedgerId::MAX);
    }

    #[test]
    fn entries_are_numbered_without_gaps_even_if_the_clock_stands_still_or_goes_back() {
        let at = |ms| DateTime::from_timestamp_millis(ms).unwrap();
        let id = |text: &str| text.parse::<LedgerId>().unwrap();
        for (id, now, following) in [
            (LedgerId::ZERO, 0, "0-1"),
            (id("0-1"), 1_763_632_800_000, "1763632800000-2"),
            (id("1763632800000-2"), 1_763_632_800_000, "1763632800000-3"),
            (id("1763632800000-3"), 1_763_632_700_000, "1763632800000-4"),
            (id("1763632800000-1048575"), 1_763_632_800_000, "1763632800001-0"),
            (id("1763632800000-1048575"), 1_763_632_800_009, "1763632800010-0"),
        ] {
            assert_eq!(id.following(at(now)).to_string(), following);
            assert!(id.precedes(id.following(at(now))));
        }
        for (id, other) in [("5-1", "5-3"), ("5-1", "5-1"), ("5-2", "6-2"), ("5-2", "4-3"), ("5-1048575", "6-1")] {
            assert!(!id.parse::<LedgerId>().unwrap().precedes(other.parse().unwrap()), "{id} {other}");
        }
    }

    #[test]
    fn an_id_that_does_not_fit_is_refused_not_wrapped() {
        for text in ["", "1", "1-", "-1-0", "1-1048576", "8796093022208-0", "a-b", "01-0", "1-00", "+1-0", "1-+0"] {
            assert!(text.parse::<LedgerId>().is_err(), "{text:?}");
        }
    }
}
