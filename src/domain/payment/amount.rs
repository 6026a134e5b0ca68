//! Amounts as payment providers count them.

use rust_decimal::prelude::ToPrimitive;

use crate::domain::shared::Money;

/// An amount in hundredths of the currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MinorUnits(pub i64);

impl From<Money> for MinorUnits {
    fn from(money: Money) -> Self {
        let cents = (money.amount() * rust_decimal::Decimal::ONE_HUNDRED).to_i64();
        MinorUnits(cents.unwrap_or_else(|| unreachable!("the total of ten items fits into 64 bits")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_counts_cents() {
        for (text, cents) in [("0.00", 0), ("19.90", 1990), ("999999999999.99", 99_999_999_999_999)] {
            assert_eq!(MinorUnits::from(text.parse::<Money>().unwrap()), MinorUnits(cents));
        }
    }
}
