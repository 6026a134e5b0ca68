//! Replies of scripts: lists whose first element is a tag.

use redis::Value;

use crate::application::sale::ports::RecordedPurchase;
use crate::application::shared::StoreError;
use crate::domain::sale::Cart;
use crate::domain::shared::{CheckoutCode, LedgerId};

use super::text::{parse_cart, parse_purchase};

/// A reply with its tag.
#[derive(Debug)]
pub struct Reply {
    pub tag: String,
    values: Vec<Value>,
}

impl Reply {
    /// Reads a reply. The tags `FENCED` and `BUSY` become errors.
    pub fn new(value: Value) -> Result<Self, StoreError> {
        let Value::Array(mut values) = value else { return Err(StoreError::corrupt(value)) };
        if values.is_empty() {
            return Err(StoreError::corrupt("an empty reply"));
        }
        let tag = text(values.remove(0))?;
        match tag.as_str() {
            "FENCED" => Err(StoreError::Fenced),
            "BUSY" => Err(bound(values.first()).map_or_else(|| StoreError::corrupt(&values), StoreError::Busy)),
            _ => Ok(Reply { tag, values }),
        }
    }

    /// Returns the `index`-th value after the tag.
    pub fn text(&self, index: usize) -> Result<&str, StoreError> {
        match self.values.get(index) {
            Some(Value::BulkString(bytes)) => std::str::from_utf8(bytes).map_err(|_| self.corrupt()),
            Some(Value::SimpleString(text)) => Ok(text),
            _ => Err(self.corrupt()),
        }
    }

    /// Parses the `index`-th value after the tag.
    pub fn parsed<T>(&self, index: usize, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, StoreError> {
        parse(self.text(index)?).ok_or_else(|| self.corrupt())
    }

    /// Reads `CART code cart`.
    pub fn cart(&self) -> Result<Cart, StoreError> {
        let code: CheckoutCode = self.parsed(0, |code| code.parse().ok())?;
        self.parsed(1, |cart| parse_cart(code, cart))
    }

    /// Reads `SOLD replayed id purchase`.
    pub fn purchase(&self) -> Result<RecordedPurchase, StoreError> {
        let replayed = self.parsed(0, |flag| match flag {
            "0" => Some(false),
            "1" => Some(true),
            _ => None,
        })?;
        let id: LedgerId = self.parsed(1, |id| id.parse().ok())?;
        let purchase = self.parsed(2, parse_purchase)?;
        Ok(RecordedPurchase { id, purchase, replayed })
    }

    /// Accepts the tag `OK` only.
    pub fn expect_ok(&self) -> Result<(), StoreError> {
        if self.tag == "OK" { Ok(()) } else { Err(self.corrupt()) }
    }

    /// Returns the error for a reply that no script gives.
    pub fn corrupt(&self) -> StoreError {
        StoreError::corrupt(self)
    }
}

/// Returns the text about the bound that a script found reached.
fn bound(name: Option<&Value>) -> Option<&'static str> {
    match name {
        Some(Value::BulkString(name)) if name == b"carts" => Some("too many carts are open in this sale"),
        Some(Value::BulkString(name)) if name == b"attempts" => Some("too many checkouts wait to be archived"),
        _ => None,
    }
}

/// Reads a string.
pub fn text(value: Value) -> Result<String, StoreError> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).map_err(StoreError::corrupt),
        Value::SimpleString(text) => Ok(text),
        value => Err(StoreError::corrupt(value)),
    }
}

/// Reads a list of strings.
pub fn texts(value: Value) -> Result<Vec<String>, StoreError> {
    match value {
        Value::Array(values) => values.into_iter().map(text).collect(),
        value => Err(StoreError::corrupt(value)),
    }
}
