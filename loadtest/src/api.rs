//! What is read of the service's answers.

use serde::Deserialize;

/// A sale, and how far it has got.
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
    /// The full id of the item at this place, from 0.
    pub fn item(&self, place: u32) -> String {
        format!("{}-{:05}", self.id, place + 1)
    }
}

/// One page of items.
#[derive(Debug, Deserialize)]
pub struct Items {
    pub items: Vec<Item>,
    pub total: u32,
}

/// An item as a list shows it.
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

/// What was bought.
#[derive(Debug, Deserialize)]
pub struct Receipt {
    pub code: String,
    pub sale_id: String,
    pub user_id: String,
    pub purchased_items: Vec<ReceiptLine>,
    pub total_purchased: u64,
}

/// Units of one item on a receipt.
#[derive(Debug, Deserialize)]
pub struct ReceiptLine {
    pub id: String,
    pub quantity: u32,
    pub sold: bool,
}

/// Why something was not done.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Problem {
    pub code: String,
    pub unavailable: Vec<String>,
    pub available: Vec<String>,
    /// "unknown" where it may have happened all the same.
    pub outcome: String,
}

/// The health of the service, for its version.
#[derive(Debug, Deserialize)]
pub struct Health {
    pub version: String,
}
