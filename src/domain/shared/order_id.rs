//! The id of an order.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Invalid, LedgerId, SaleId};

/// Names a purchase for people: its sale and its ledger id, `20261120T09-1763632800000-0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OrderId {
    pub sale: SaleId,
    pub entry: LedgerId,
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.sale, self.entry)
    }
}

impl FromStr for OrderId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        // The sale may contain a hyphen; the ledger id has exactly one.
        let at = text.rmatch_indices('-').nth(1).map(|(at, _)| at);
        let (sale, entry) = at.map(|at| (&text[..at], &text[at + 1..])).unwrap_or_default();
        match (sale.parse(), entry.parse()) {
            (Ok(sale), Ok(entry)) => Ok(OrderId { sale, entry }),
            _ => Err(Invalid::new("must be an order id such as 20261120T09-1763632800000-0")),
        }
    }
}

impl TryFrom<String> for OrderId {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<OrderId> for String {
    fn from(id: OrderId) -> String {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_id_names_its_sale_and_its_ledger_entry() {
        for text in ["20261120T09-1763632800000-0", "20261120T0930-7f3a-1763632800000-12"] {
            assert_eq!(text.parse::<OrderId>().unwrap().to_string(), text);
        }
        for text in ["", "20261120T09", "1763632800000-0", "20261120T09-1763632800000", "20261120T09-x-0"] {
            assert!(text.parse::<OrderId>().is_err(), "{text:?}");
        }
    }
}
