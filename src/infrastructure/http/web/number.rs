//! Amounts and times as pages show them.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::shared::{Currency, Money};

/// Returns an amount with the sign of its currency.
pub fn price(amount: Money, currency: Currency) -> String {
    match currency.as_str() {
        "EUR" => format!("€{amount}"),
        "USD" => format!("${amount}"),
        "GBP" => format!("£{amount}"),
        other => format!("{other} {amount}"),
    }
}

/// Returns a time of the day, in UTC, with the day if it is not today.
pub fn time(time: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let format = if time.date_naive() == now.date_naive() { "%H:%M UTC" } else { "%d %b, %H:%M UTC" };
    time.format(format).to_string()
}

/// Returns a time to come in words, to the larger two units.
pub fn span(left: TimeDelta) -> String {
    let seconds = left.num_seconds().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let (large, small) = match (days, hours, minutes) {
        (0, 0, 0) => return format!("{seconds} s"),
        (0, 0, minutes) => ((minutes, "min"), (seconds % 60, "s")),
        (0, hours, minutes) => ((hours, "h"), (minutes, "min")),
        (days, hours, _) => ((days, "d"), (hours, "h")),
    };
    match small {
        (0, _) => format!("{} {}", large.0, large.1),
        (count, unit) => format!("{} {} {count} {unit}", large.0, large.1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_its_larger_two_units() {
        for (seconds, expected) in
            [(-5, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (600, "10 min"), (3_725, "1 h 2 min"), (90_000, "1 d 1 h")]
        {
            assert_eq!(span(TimeDelta::seconds(seconds)), expected);
        }
    }

    #[test]
    fn a_time_of_another_day_has_its_day() {
        let now: DateTime<Utc> = "2026-11-20T09:00:00Z".parse().unwrap();
        assert_eq!(time(now, now), "09:00 UTC");
        assert_eq!(time(now + TimeDelta::days(1), now), "21 Nov, 09:00 UTC");
    }

    #[test]
    fn a_price_has_the_sign_of_its_currency() {
        let price = |currency: &str| price(Money::from_cents(1_990), currency.parse().unwrap());
        assert_eq!([price("EUR"), price("USD"), price("JPY")], ["€19.90", "$19.90", "JPY 19.90"]);
    }
}
