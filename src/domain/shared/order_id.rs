//! The id of an order.

use std::fmt;
use std::str::FromStr;

use super::text_form::serde_as_text;
use super::{Invalid, LedgerId, SaleId};

/// Names a purchase for people: its sale and its ledger id, `20261120T09-1763632800000-0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
        let parts = text.rmatch_indices('-').nth(1).map(|(at, _)| (&text[..at], &text[at + 1..]));
        let id = parts.and_then(|(sale, entry)| Some(OrderId { sale: sale.parse().ok()?, entry: entry.parse().ok()? }));
        id.ok_or_else(|| Invalid::new("must be an order id such as 20261120T09-1763632800000-0"))
    }
}

serde_as_text!(OrderId);

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
