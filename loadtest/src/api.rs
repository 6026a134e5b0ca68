//! The parts of the responses that the load test reads: of the service, and of its payment provider.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

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
    /// The time by which the order must be paid, if it must be.
    pub pay_by: Option<DateTime<Utc>>,
}

/// Units of one item on a receipt.
#[derive(Debug, Clone, Deserialize)]
pub struct ReceiptLine {
    pub id: String,
    pub quantity: u32,
    pub sold: bool,
}

/// The state of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderStatus {
    Reserved,
    PaymentPending,
    Paid,
    Cancelled,
    Expired,
}

impl OrderStatus {
    /// Returns true if the order has ended.
    pub fn is_final(self) -> bool {
        matches!(self, OrderStatus::Paid | OrderStatus::Cancelled | OrderStatus::Expired)
    }
}

/// An order.
#[derive(Debug, Deserialize)]
pub struct Order {
    pub status: OrderStatus,
    pub total: String,
}

impl Order {
    /// Returns the total in minor units.
    pub fn total_minor(&self) -> Result<u64, String> {
        let digits = self.total.split_once('.').filter(|(_, cents)| cents.len() == 2);
        let minor = digits.and_then(|(units, cents)| format!("{units}{cents}").parse().ok());
        minor.ok_or_else(|| format!("{:?} is not an amount of money", self.total))
    }
}

/// The report of the payment provider.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
pub struct ProviderReport {
    /// Payments that succeeded, refunded ones too.
    pub charges: u64,
    pub refunds: u64,
    pub declined: u64,
    /// Orders with more than one charge that is not refunded.
    pub double_charges: u64,
    /// Charges less refunds, by currency.
    pub net_minor: BTreeMap<String, i64>,
}

impl ProviderReport {
    /// Returns the charges less the refunds. The shops of load tests have one currency.
    pub fn net(&self) -> i64 {
        self.net_minor.values().sum()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_of_an_order_is_read_in_minor_units() {
        let order = |total: &str| Order { status: OrderStatus::Paid, total: total.to_owned() };
        assert_eq!(["19.90", "0.05"].map(|total| order(total).total_minor()), [Ok(1_990), Ok(5)]);
        for wrong in ["", "19", "19.9", "19,90", "-1.x0"] {
            assert!(order(wrong).total_minor().is_err(), "{wrong}");
        }
    }
}
