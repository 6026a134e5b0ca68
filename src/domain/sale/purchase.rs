//! The purchase: the units that one user bought with one code.

use serde::{Deserialize, Serialize};

use crate::domain::shared::limits::CART_UNITS;
use crate::domain::shared::{CheckoutCode, Ordinal, RequestId, UserId};

use super::{CartLine, Quantity};

/// One unit of an item, and the slot of its owner that it fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SoldUnit {
    pub ordinal: Ordinal,
    /// 1 to the stock of the item.
    pub unit: u32,
    /// 1 to the user limit of the sale.
    pub slot: u32,
}

/// A purchase as it was decided: 1 to [`CART_UNITS`] units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purchase {
    pub code: CheckoutCode,
    pub user: UserId,
    /// The request id of a purchase without a cart.
    pub request: Option<RequestId>,
    /// The units in the order of the cart, which is also the order of their slots.
    pub units: Vec<SoldUnit>,
    /// The lines that a partial purchase did not get.
    pub missed: Vec<CartLine>,
}

impl Purchase {
    /// Returns the units counted by item, in order.
    pub fn lines(&self) -> Vec<CartLine> {
        self.units
            .chunk_by(|a, b| a.ordinal == b.ordinal)
            .map(|units| {
                let quantity = Quantity::try_from(units.len() as u32)
                    .unwrap_or_else(|_| unreachable!("a purchase has at most {CART_UNITS} units"));
                CartLine { ordinal: units[0].ordinal, quantity }
            })
            .collect()
    }
}
