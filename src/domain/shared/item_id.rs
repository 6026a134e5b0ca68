//! The id of an item: its sale and its number there.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::limits::SALE_ITEMS_MAX;
use super::text_form::serde_as_text;
use super::{Invalid, SaleId};

/// The place of an item in its sale: 1 to [`SALE_ITEMS_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Ordinal(u32);

impl Ordinal {
    /// Returns the number.
    pub fn get(self) -> u32 {
        self.0
    }

    /// Returns the position in a list of all items of the sale, from zero.
    pub fn index(self) -> usize {
        self.0 as usize - 1
    }
}

impl TryFrom<u32> for Ordinal {
    type Error = Invalid;

    fn try_from(number: u32) -> Result<Self, Invalid> {
        if (1..=SALE_ITEMS_MAX).contains(&number) {
            Ok(Ordinal(number))
        } else {
            Err(Invalid::new(format!("must be an item number from 1 to {SALE_ITEMS_MAX}")))
        }
    }
}

impl From<Ordinal> for u32 {
    fn from(ordinal: Ordinal) -> u32 {
        ordinal.0
    }
}

impl fmt::Display for Ordinal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of an item: `20261120T09-00042`. It contains its sale. An ordinal has at least five digits, and no zeros in
/// front beyond that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ItemId {
    pub sale: SaleId,
    pub ordinal: Ordinal,
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:05}", self.sale, self.ordinal.0)
    }
}

impl FromStr for ItemId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let wrong = || Invalid::new("must be an item id such as 20261120T09-00042");
        let (sale, digits) = text.rsplit_once('-').ok_or_else(wrong)?;
        // Each item has one name: a sixth digit is no leading zero.
        let is_padded = digits.len() == 5 || (digits.len() > 5 && !digits.starts_with('0'));
        if !is_padded || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let number = digits.parse::<u32>().map_err(|_| wrong())?;
        Ok(ItemId { sale: sale.parse()?, ordinal: Ordinal::try_from(number)? })
    }
}

serde_as_text!(ItemId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_id_tells_its_sale() {
        let id: ItemId = "20261120T0930-7f3a-00042".parse().unwrap();
        assert_eq!(id.sale.to_string(), "20261120T0930-7f3a");
        assert_eq!(id.ordinal.get(), 42);
        assert_eq!(id.to_string(), "20261120T0930-7f3a-00042");
    }

    #[test]
    fn an_item_has_one_id() {
        for text in ["20261120T09-00001", "20261120T09-99999", "20261120T09-100000", "20261120T09-1000000"] {
            assert_eq!(text.parse::<ItemId>().unwrap().to_string(), text);
        }
        for text in
            ["20261120T09-1", "20261120T09-0001", "20261120T09-000001", "20261120T09-0100000", "20261120T09-1000001"]
        {
            assert!(text.parse::<ItemId>().is_err(), "{text}");
        }
    }
}
