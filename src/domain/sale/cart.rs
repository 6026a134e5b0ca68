//! The cart: the items that a user has checked out in a sale. It reserves nothing.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::shared::limits::CART_UNITS;
use crate::domain::shared::{CheckoutCode, Invalid, Ordinal, UserId};

/// Units of one item in one request: 1 to [`CART_UNITS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Quantity(u32);

impl Quantity {
    /// One unit.
    pub const ONE: Quantity = Quantity(1);

    /// Returns the number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Quantity {
    type Error = Invalid;

    fn try_from(number: u32) -> Result<Self, Invalid> {
        if (1..=CART_UNITS).contains(&number) {
            Ok(Quantity(number))
        } else {
            Err(Invalid::new(format!("must be 1 to {CART_UNITS}")))
        }
    }
}

impl From<Quantity> for u32 {
    fn from(quantity: Quantity) -> u32 {
        quantity.0
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Some units of one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CartLine {
    pub ordinal: Ordinal,
    pub quantity: Quantity,
}

/// The lines that a user has checked out: each item once, at most [`CART_UNITS`] units together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cart {
    pub code: CheckoutCode,
    pub user: UserId,
    pub lines: Vec<CartLine>,
}

impl Cart {
    /// Returns the units in the cart.
    pub fn units(&self) -> u32 {
        self.lines.iter().map(|line| line.quantity.get()).sum()
    }

    /// Returns the units of one item in the cart.
    pub fn quantity_of(&self, ordinal: Ordinal) -> u32 {
        self.lines.iter().find(|line| line.ordinal == ordinal).map_or(0, |line| line.quantity.get())
    }

    /// Raises the quantity of an item to at least the wanted one. Returns true if that changed the cart: checking out an
    /// item that is in the cart already changes nothing.
    pub fn hold(&mut self, wanted: CartLine) -> bool {
        match self.lines.iter_mut().find(|line| line.ordinal == wanted.ordinal) {
            Some(line) if line.quantity >= wanted.quantity => false,
            Some(line) => {
                line.quantity = wanted.quantity;
                true
            }
            None => {
                self.lines.push(wanted);
                true
            }
        }
    }
}
