//! Replies of scripts: lines of words, the first of which is a tag.

use redis::Value;

use crate::application::sale::ports::RecordedPurchase;
use crate::application::shared::StoreError;
use crate::domain::sale::Cart;
use crate::domain::shared::CheckoutCode;

use super::text::{parse_cart, parse_sold};

/// A reply with its tag.
#[derive(Debug)]
pub struct Reply {
    text: String,
    tag_len: usize,
}

impl Reply {
    /// Reads a reply. The tags `FENCED` and `BUSY` become errors.
    pub fn new(text: String) -> Result<Self, StoreError> {
        let tag_len = text.find(' ').unwrap_or(text.len());
        let reply = Reply { text, tag_len };
        match reply.tag() {
            "FENCED" => Err(StoreError::Fenced),
            "BUSY" => Err(bound(reply.rest()).map_or_else(|| reply.corrupt(), StoreError::Busy)),
            _ => Ok(reply),
        }
    }

    /// Reads the replies to the first of `count` requests, a line for each, or the one reply to all of them: `FENCED`.
    pub fn lines(text: &str, count: usize) -> Result<Vec<Result<Self, StoreError>>, StoreError> {
        if text == "FENCED" {
            return Err(StoreError::Fenced);
        }
        let replies: Vec<_> = text.split('\n').map(|line| Reply::new(line.to_owned())).collect();
        if replies.len() <= count { Ok(replies) } else { Err(StoreError::corrupt(text)) }
    }

    /// Returns the first word.
    pub fn tag(&self) -> &str {
        &self.text[..self.tag_len]
    }

    /// Returns the words after the tag.
    fn rest(&self) -> &str {
        self.text.get(self.tag_len + 1..).unwrap_or("")
    }

    /// Parses the `index`-th word after the tag.
    pub fn parsed<T>(&self, index: usize, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, StoreError> {
        self.rest().split(' ').nth(index).and_then(parse).ok_or_else(|| self.corrupt())
    }

    /// Reads `CART code user lines`.
    pub fn cart(&self) -> Result<Cart, StoreError> {
        let cart = self.rest().split_once(' ').and_then(|(code, cart)| {
            let code: CheckoutCode = code.parse().ok()?;
            parse_cart(code, cart)
        });
        cart.ok_or_else(|| self.corrupt())
    }

    /// Reads `SOLD replayed id code user request units missed`.
    pub fn purchase(&self) -> Result<RecordedPurchase, StoreError> {
        let recorded = self.rest().split_once(' ').and_then(|(replayed, line)| {
            let replayed = match replayed {
                "0" => false,
                "1" => true,
                _ => return None,
            };
            let (id, purchase) = parse_sold(line)?;
            Some(RecordedPurchase { id, purchase, replayed })
        });
        recorded.ok_or_else(|| self.corrupt())
    }

    /// Accepts the tag `OK` only.
    pub fn expect_ok(&self) -> Result<(), StoreError> {
        if self.tag() == "OK" { Ok(()) } else { Err(self.corrupt()) }
    }

    /// Returns the error for a reply that no script gives.
    pub fn corrupt(&self) -> StoreError {
        StoreError::corrupt(&self.text)
    }
}

/// Returns the text about the bound that a script found reached.
fn bound(name: &str) -> Option<&'static str> {
    match name {
        "carts" => Some("too many carts are open in this sale"),
        "attempts" => Some("too many checkouts wait to be archived"),
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
