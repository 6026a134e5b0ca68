//! Items: the things on sale.

use crate::domain::shared::limits::{IMAGE_URL_CHARS_MAX, ITEM_STOCK_MAX, NAME_CHARS_MAX};
use crate::domain::shared::{Invalid, Money};

/// One thing on sale, with `stock` units of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    name: Box<str>,
    image_url: Box<str>,
    price: Money,
    stock: u32,
}

impl Item {
    /// An item whose every field is within its limits.
    pub fn new(name: String, image_url: String, price: Money, stock: u32) -> Result<Self, Invalid> {
        let characters = name.chars().count();
        if characters == 0 || characters > NAME_CHARS_MAX || name.chars().any(char::is_control) {
            let limit = format!("name must be 1 to {NAME_CHARS_MAX} characters without control characters");
            return Err(Invalid::new(limit));
        }
        if image_url.len() > IMAGE_URL_CHARS_MAX || !image_url.bytes().all(|byte| byte.is_ascii_graphic()) {
            let limit = format!("image_url must be at most {IMAGE_URL_CHARS_MAX} visible ASCII characters");
            return Err(Invalid::new(limit));
        }
        // A browser reads // and /\ as the beginning of another host.
        let is_path = image_url.starts_with('/') && !["//", "/\\"].iter().any(|start| image_url.starts_with(start));
        if !is_path && !["https://", "http://"].iter().any(|start| image_url.starts_with(start)) {
            return Err(Invalid::new("image_url must start with https://, http:// or a single /"));
        }
        if !(1..=ITEM_STOCK_MAX).contains(&stock) {
            return Err(Invalid::new(format!("stock must be 1 to {ITEM_STOCK_MAX}")));
        }
        Ok(Item { name: name.into(), image_url: image_url.into(), price, stock })
    }

    /// Returns the name for shoppers.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the address of its picture.
    pub fn image_url(&self) -> &str {
        &self.image_url
    }

    /// Returns the price of one unit.
    pub fn price(&self) -> Money {
        self.price
    }

    /// Returns the number of its units in the sale, sold or not.
    pub fn stock(&self) -> u32 {
        self.stock
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_out_of_its_limits_is_refused() {
        let item = |name: &str, url: &str, stock| Item::new(name.into(), url.into(), Money::from_cents(1), stock);
        assert!(item("Lamp", "https://img.example/1.jpg", 1).is_ok());
        assert!(item("", "/1.jpg", 1).is_err());
        assert!(item("a\u{7}", "/1.jpg", 1).is_err());
        assert!(item(&"n".repeat(201), "/1.jpg", 1).is_err());
        assert!(item("Lamp", "javascript:alert(1)", 1).is_err());
        assert!(item("Lamp", "/1 .jpg", 1).is_err());
        assert!(item("Lamp", "//img.example/1.jpg", 1).is_err());
        assert!(item("Lamp", "/\\img.example/1.jpg", 1).is_err());
        assert!(item("Lamp", "/", 1).is_ok());
        assert!(item("Lamp", "/1.jpg", 0).is_err());
        assert!(item("Lamp", "/1.jpg", 100_001).is_err());
    }
}
