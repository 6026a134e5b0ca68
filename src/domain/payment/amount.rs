//! Amounts as payment providers count them.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::domain::shared::{Currency, Money};

/// An amount in the minor unit of its currency: cents, or whole yen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MinorUnits(pub i64);

impl MinorUnits {
    /// The units of an amount in this currency. What is smaller than a unit, which no price is, is rounded.
    pub fn of(money: Money, currency: Currency) -> Self {
        let units = money.amount() * Decimal::from(10_u32.pow(currency.decimals()));
        let units = units.round().to_i64();
        MinorUnits(units.unwrap_or_else(|| unreachable!("the total of a purchase fits into 64 bits")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_counts_the_minor_units_of_its_currency() {
        for (text, currency, units) in [
            ("0.00", "EUR", 0),
            ("19.90", "EUR", 1_990),
            ("999999999999.99", "USD", 99_999_999_999_999),
            ("1990", "JPY", 1_990),
            ("1.23", "KWD", 1_230),
            ("999999999999.99", "CLF", 9_999_999_999_999_900),
        ] {
            let amount = text.parse().unwrap();
            assert_eq!(MinorUnits::of(amount, currency.parse().unwrap()), MinorUnits(units), "{text} {currency}");
        }
    }
}
