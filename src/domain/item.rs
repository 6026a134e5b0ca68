//! What is on sale.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::limits::{IMAGE_URL_CHARS_MAX, ITEM_STOCK_MAX, NAME_CHARS_MAX, SALE_ITEMS_MAX};
use super::{Invalid, Money, SaleId};

/// The place of an item in its sale: 1 to 99,999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Ordinal(u32);

impl Ordinal {
    /// The number itself.
    pub fn get(self) -> u32 {
        self.0
    }

    /// The position in a list of all items of the sale, from zero.
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
            Err(Invalid("must be an item number from 1 to 99999"))
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

/// The name of an item: `20261120T09-00042`. It tells its sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
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
        let wrong = Invalid("must be an item id such as 20261120T09-00042");
        let (sale, digits) = text.rsplit_once('-').ok_or_else(|| wrong.clone())?;
        if digits.len() != 5 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong);
        }
        let number = digits.parse::<u32>().map_err(|_| wrong)?;
        Ok(ItemId { sale: sale.parse()?, ordinal: Ordinal::try_from(number)? })
    }
}

impl TryFrom<String> for ItemId {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<ItemId> for String {
    fn from(id: ItemId) -> String {
        id.to_string()
    }
}

/// An item as a caller may name it: by its id, or by its number (`42`, `item_42`), which means that
/// item of the hourly sale that is on.
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
        let number = digits.parse::<u32>().map_err(|_| Invalid("must be an item number from 1 to 99999"))?;
        Ordinal::try_from(number).map(ItemRef::InCurrentSale)
    }
}

/// One thing on sale, with `stock` units of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    name: String,
    image_url: String,
    price: Money,
    stock: u32,
}

impl Item {
    /// An item whose every field is within its limits.
    pub fn new(name: String, image_url: String, price: Money, stock: u32) -> Result<Self, Invalid> {
        let characters = name.chars().count();
        if characters == 0 || characters > NAME_CHARS_MAX || name.chars().any(char::is_control) {
            return Err(Invalid("name must be 1 to 200 characters without control characters"));
        }
        if image_url.len() > IMAGE_URL_CHARS_MAX || !image_url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Invalid("image_url must be at most 2000 visible ASCII characters"));
        }
        if !["https://", "http://", "/"].iter().any(|start| image_url.starts_with(start)) {
            return Err(Invalid("image_url must start with https://, http:// or /"));
        }
        if !(1..=ITEM_STOCK_MAX).contains(&stock) {
            return Err(Invalid("stock must be 1 to 100000"));
        }
        Ok(Item { name, image_url, price, stock })
    }

    /// What the shopper reads.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its picture is.
    pub fn image_url(&self) -> &str {
        &self.image_url
    }

    /// The price of one unit.
    pub fn price(&self) -> Money {
        self.price
    }

    /// How many units the sale has of it, sold or not.
    pub fn stock(&self) -> u32 {
        self.stock
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_id_tells_its_sale() {
        let id: ItemId = "20261120T0930-7f3a-00042".parse().unwrap();
        assert_eq!(id.sale.to_string(), "20261120T0930-7f3a");
        assert_eq!(id.ordinal.get(), 42);
        assert_eq!(id.to_string(), "20261120T0930-7f3a-00042");
        assert_eq!("20261120T09-99999".parse::<ItemId>().unwrap().ordinal.get(), 99_999);
    }

    #[test]
    fn a_number_means_an_item_of_the_current_sale() {
        let item = ItemRef::InCurrentSale(Ordinal(42));
        assert_eq!("42".parse::<ItemRef>().unwrap(), item);
        assert_eq!("item_42".parse::<ItemRef>().unwrap(), item);
    }

    #[test]
    fn what_is_no_item_is_refused() {
        for text in [
            "",
            "0",
            "-1",
            "abc",
            "2147483648",
            "9223372036854775808",
            "100000",
            "item_",
            "item_0",
            "item_-1",
            "4 2",
            "٤٢",
            "20261120T09",
            "20261120T09-42",
            "20261120T09-00000",
            "20261120T09-000042",
            "20261120T09-+0042",
            "20261120T09-",
        ] {
            assert!(text.parse::<ItemRef>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_item_out_of_its_limits_is_refused() {
        let item = |name: &str, url: &str, stock| Item::new(name.into(), url.into(), Money::from_cents(1), stock);
        assert!(item("Lamp", "https://img.example/1.jpg", 1).is_ok());
        assert!(item("", "/1.jpg", 1).is_err());
        assert!(item("a\u{7}", "/1.jpg", 1).is_err());
        assert!(item(&"n".repeat(201), "/1.jpg", 1).is_err());
        assert!(item("Lamp", "javascript:alert(1)", 1).is_err());
        assert!(item("Lamp", "/1 .jpg", 1).is_err());
        assert!(item("Lamp", "/1.jpg", 0).is_err());
        assert!(item("Lamp", "/1.jpg", 100_001).is_err());
    }
}
