//! What scripts reply: a list whose first element says what it is.

use redis::Value;

use crate::application::ports::{Decided, StoreError};
use crate::domain::{Cart, CheckoutCode, LedgerId};

use super::text::{corrupt, parse_cart, parse_sold};

/// A reply, taken apart.
#[derive(Debug)]
pub struct Reply {
    pub tag: String,
    values: Vec<Value>,
}

impl Reply {
    /// Reads a reply. One that says `FENCED` is an error.
    pub fn new(value: Value) -> Result<Self, StoreError> {
        let Value::Array(mut values) = value else { return Err(corrupt(value)) };
        if values.is_empty() {
            return Err(corrupt("an empty reply"));
        }
        let tag = text(values.remove(0))?;
        match tag.as_str() {
            "FENCED" => Err(StoreError::Fenced),
            "BUSY" => Err(StoreError::Busy("too much is waiting to be processed at the moment")),
            _ => Ok(Reply { tag, values }),
        }
    }

    /// The `index`-th value after the tag.
    pub fn text(&self, index: usize) -> Result<&str, StoreError> {
        match self.values.get(index) {
            Some(Value::BulkString(bytes)) => std::str::from_utf8(bytes).map_err(|_| self.corrupt()),
            Some(Value::SimpleString(text)) => Ok(text),
            _ => Err(self.corrupt()),
        }
    }

    /// The `index`-th value after the tag, as something else.
    pub fn parsed<T>(&self, index: usize, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, StoreError> {
        parse(self.text(index)?).ok_or_else(|| self.corrupt())
    }

    /// `CART code cart`
    pub fn cart(&self) -> Result<(CheckoutCode, Cart), StoreError> {
        Ok((self.parsed(0, |code| code.parse().ok())?, self.parsed(1, parse_cart)?))
    }

    /// `SOLD replayed id purchase`
    pub fn sold(&self) -> Result<Decided, StoreError> {
        let replayed = self.text(0)? == "1";
        let id: LedgerId = self.parsed(1, |id| id.parse().ok())?;
        let sold = self.parsed(2, parse_sold)?;
        Ok(Decided { id, sold, replayed })
    }

    /// The error for a reply that no script gives.
    pub fn corrupt(&self) -> StoreError {
        corrupt(self)
    }
}

/// A string.
pub fn text(value: Value) -> Result<String, StoreError> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).map_err(corrupt),
        Value::SimpleString(text) => Ok(text),
        value => Err(corrupt(value)),
    }
}

/// A list of strings.
pub fn texts(value: Value) -> Result<Vec<String>, StoreError> {
    match value {
        Value::Array(values) => values.into_iter().map(text).collect(),
        value => Err(corrupt(value)),
    }
}
