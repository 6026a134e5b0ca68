//! An item as a caller names it.

use std::str::FromStr;

use crate::domain::shared::{Invalid, ItemId, Ordinal};

/// An item as a caller may name it: by its id, or by its number (`42`, `item_42`) in the hourly sale that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ItemRef {
    Id(ItemId),
    InCurrentSale(Ordinal),
}

impl FromStr for ItemRef {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let digits = text.strip_prefix("item_").unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().map(ItemRef::Id);
        }
        // A number that is too large for the type is out of the range of item numbers too.
        let number = digits.parse().unwrap_or(u32::MAX);
        Ordinal::try_from(number).map(ItemRef::InCurrentSale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_means_an_item_of_the_current_sale() {
        let item = ItemRef::InCurrentSale(Ordinal::try_from(42).unwrap());
        assert_eq!("42".parse::<ItemRef>().unwrap(), item);
        assert_eq!("item_42".parse::<ItemRef>().unwrap(), item);
    }

    #[test]
    fn any_other_text_is_refused() {
        for text in [
            "",
            "0",
            "-1",
            "abc",
            "2147483648",
            "9223372036854775808",
            "1000001",
            "item_",
            "item_0",
            "item_-1",
            "4 2",
            "٤٢",
            "20261120T09",
            "20261120T09-42",
            "20261120T09-00000",
            "20261120T09-000042",
            "20261120T09-1000001",
            "20261120T09-+0042",
            "20261120T09-",
        ] {
            assert!(text.parse::<ItemRef>().is_err(), "{text:?}");
        }
    }
}
