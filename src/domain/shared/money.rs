//! Prices and totals: exact decimals with two places, in one currency a sale.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::Invalid;
use super::text_form::serde_as_text;

/// An amount with exactly two decimal places, never negative. Printed as `19.90`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(try_from = "Decimal", into = "Decimal")]
pub struct Money(Decimal);

impl Money {
    /// One trillion less a cent: what fits the `numeric(14,2)` columns.
    const MAX: Decimal = Decimal::from_parts(276_447_231, 23_283, 0, false, 2);

    /// Returns the amount as a decimal with two places.
    pub fn amount(self) -> Decimal {
        self.0
    }

    /// An amount given in hundredths: `1990` is 19.90.
    pub fn from_cents(cents: u32) -> Self {
        Money(Decimal::new(i64::from(cents), 2))
    }

    /// Returns the price of `quantity` units at this price each.
    pub fn times(self, quantity: u32) -> Self {
        Money(with_two_places(self.0 * Decimal::from(quantity)))
    }
}

impl TryFrom<Decimal> for Money {
    type Error = Invalid;

    fn try_from(amount: Decimal) -> Result<Self, Invalid> {
        let amount = amount.normalize();
        if amount.is_sign_negative() && !amount.is_zero() {
            return Err(Invalid::new("must not be negative"));
        }
        if amount.scale() > 2 {
            return Err(Invalid::new("must have at most two decimal places"));
        }
        if amount > Self::MAX {
            return Err(Invalid::new("must be less than a trillion"));
        }
        let mut amount = amount.abs();
        amount.rescale(2);
        Ok(Money(amount))
    }
}

impl From<Money> for Decimal {
    fn from(money: Money) -> Decimal {
        money.0
    }
}

impl FromStr for Money {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let wrong = || Invalid::new("must be a decimal number such as 19.90");
        let (units, cents) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(units.strip_prefix('-').unwrap_or(units)) || !is_number(cents) {
            return Err(wrong());
        }
        Money::try_from(Decimal::from_str_exact(text).map_err(|_| wrong())?)
    }
}

impl std::iter::Sum for Money {
    fn sum<I: Iterator<Item = Money>>(amounts: I) -> Money {
        Money(with_two_places(amounts.map(Money::amount).sum()))
    }
}

/// Restores the places that arithmetic with zero drops.
fn with_two_places(mut amount: Decimal) -> Decimal {
    amount.rescale(2);
    amount
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An ISO 4217 code: three capital letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The currency of a sale that names none.
    pub const EUR: Currency = Currency(*b"EUR");

    /// Returns the number of decimals of its minor unit (ISO 4217).
    pub fn decimals(self) -> u32 {
        match &self.0 {
            b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG" | b"RWF" | b"UGX"
            | b"UYI" | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            b"CLF" | b"UYW" => 4,
            _ => 2,
        }
    }

    /// Fails if an amount has more decimals than the currency.
    pub fn check(self, amount: Money) -> Result<(), Invalid> {
        if amount.0.normalize().scale() <= self.decimals() {
            return Ok(());
        }
        Err(Invalid::new(format!("must have at most {} decimal places in {self}", self.decimals())))
    }

    /// Returns the three letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_else(|_| unreachable!("capital letters are UTF-8"))
    }
}

impl FromStr for Currency {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text.as_bytes() {
            [a, b, c] if text.bytes().all(|letter| letter.is_ascii_uppercase()) => Ok(Currency([*a, *b, *c])),
            _ => Err(Invalid::new("must be a currency code of three capital letters, such as EUR")),
        }
    }
}

serde_as_text!(Currency);

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_always_shows_two_places() {
        for (given, shown) in [("19.9", "19.90"), ("5", "5.00"), ("0", "0.00"), ("1.500", "1.50")] {
            assert_eq!(given.parse::<Money>().unwrap().to_string(), shown);
        }
        assert_eq!(Money::default().times(3), "0".parse().unwrap());
        let nothing: Money = "0.00".parse().unwrap();
        assert_eq!([nothing.times(3), [nothing].into_iter().sum()].map(|total| total.to_string()), ["0.00", "0.00"]);
        assert_eq!([Money::from_cents(1990), Money::from_cents(5)].into_iter().sum::<Money>().to_string(), "19.95");
        assert_eq!(std::iter::empty::<Money>().sum::<Money>().to_string(), "0.00");
    }

    #[test]
    fn an_amount_that_is_no_price_is_refused() {
        for text in ["-1", "+5", ".5", "5.", "1_0", "1.999", "abc", "", "1e3", "1000000000000", "NaN"] {
            assert!(text.parse::<Money>().is_err(), "{text}");
        }
        assert_eq!("999999999999.99".parse::<Money>().unwrap().to_string(), "999999999999.99");
    }

    #[test]
    fn an_amount_has_no_more_decimals_than_its_currency() {
        let is_allowed =
            |amount: &str, currency: &str| currency.parse::<Currency>().unwrap().check(amount.parse().unwrap()).is_ok();
        assert!(is_allowed("1990", "JPY") && is_allowed("1990.00", "JPY") && !is_allowed("1990.50", "JPY"));
        assert!(is_allowed("19.99", "EUR") && is_allowed("19.99", "KWD") && is_allowed("0.01", "USD"));
    }

    #[test]
    fn a_currency_is_three_capital_letters() {
        assert_eq!("USD".parse::<Currency>().unwrap().as_str(), "USD");
        for text in ["usd", "US", "USDT", "U1D", "€"] {
            assert!(text.parse::<Currency>().is_err(), "{text}");
        }
    }
}
