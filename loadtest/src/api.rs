//! The parts of the service's responses that the load test reads.

use serde::Deserialize;

/// A sale and its progress.
#[derive(Debug, Clone, Deserialize)]
pub struct Sale {
    pub id: String,
    pub total_items: u32,
    pub per_user_limit: u32,
    pub items_remaining: u32,
    pub units_sold: u64,
    pub units_remaining: u64,
}

impl Sale {
    /// Returns the full id of the item with this index, counted from 0.
    pub fn item(&self, index: u32) -> String {
        format!("{}-{:05}", self.id, index + 1)
    }
}

/// One page of items.
#[derive(Debug, Deserialize)]
pub struct Items {
    pub items: Vec<Item>,
    pub total: u32,
}

/// An item of a page.
#[derive(Debug, Deserialize)]
pub struct Item {
    pub id: String,
    pub stock: u32,
    pub remaining: u32,
}

/// A cart.
#[derive(Debug, Deserialize)]
pub struct Cart {
    pub code: String,
}

/// The receipt of a purchase.
#[derive(Debug, Clone, Deserialize)]
pub struct Receipt {
    pub order_id: String,
    pub code: String,
    pub sale_id: String,
    pub user_id: String,
    pub purchased_items: Vec<ReceiptLine>,
    pub total_purchased: u64,
}

/// Units of one item on a receipt.
#[derive(Debug, Clone, Deserialize)]
pub struct ReceiptLine {
    pub id: String,
    pub quantity: u32,
    pub sold: bool,
}

/// An RFC 9457 problem.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Problem {
    pub code: String,
    pub detail: String,
    pub unavailable: Vec<String>,
    pub available: Vec<String>,
    /// "unknown" if the request may have been executed.
    pub outcome: String,
}

impl Problem {
    /// Returns true if the request may have taken the items, at least for a while.
    pub fn has_taken(&self) -> bool {
        self.outcome == "unknown" || self.detail.contains("undone")
    }
}

/// The health of the service, read for its version.
#[derive(Debug, Deserialize)]
pub struct Health {
    pub version: String,
}
