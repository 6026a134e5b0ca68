//! The rows of a bench.

use std::time::Duration;

/// Longer than any row takes: no order expires by itself.
const PAYMENT_WINDOW: Duration = Duration::from_secs(3_600);

/// A row, by the requests that it measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    Live,
    Refusal,
    Checkout,
    Purchase,
    PurchaseOrder,
    Purchase10,
    Pay,
    BuyNow,
    HotItem,
    Replay,
    Page,
    Crowd,
    SellOut,
    Expiry,
    Opening,
    Recovery,
    Burst,
    Hostile,
    Memory,
}

impl Row {
    pub const ALL: [Row; 19] = [
        Row::Live,
        Row::Refusal,
        Row::Checkout,
        Row::Purchase,
        Row::PurchaseOrder,
        Row::Purchase10,
        Row::Pay,
        Row::BuyNow,
        Row::HotItem,
        Row::Replay,
        Row::Page,
        Row::Crowd,
        Row::SellOut,
        Row::Expiry,
        Row::Opening,
        Row::Recovery,
        Row::Burst,
        Row::Hostile,
        Row::Memory,
    ];

    /// Returns the name on the command line and in `bench.json`.
    pub fn name(self) -> &'static str {
        match self {
            Row::Live => "live",
            Row::Refusal => "refusal",
            Row::Checkout => "checkout",
            Row::Purchase => "purchase",
            Row::PurchaseOrder => "purchase-order",
            Row::Purchase10 => "purchase-10",
            Row::Pay => "pay",
            Row::BuyNow => "buy-now",
            Row::HotItem => "hot-item",
            Row::Replay => "replay",
            Row::Page => "page",
            Row::Crowd => "crowd",
            Row::SellOut => "sell-out",
            Row::Expiry => "expiry",
            Row::Opening => "opening",
            Row::Recovery => "recovery",
            Row::Hostile => "hostile",
            Row::Memory => "memory",
            Row::Burst => "burst",
        }
    }

    /// Returns the title in tables and plots.
    pub fn title(self) -> &'static str {
        match self {
            Row::Live => "GET /health/live",
            Row::Refusal => "refusal by the filter",
            Row::Checkout => "checkout",
            Row::Purchase => "purchase, 1 unit",
            Row::PurchaseOrder => "purchase with an order, 1 unit",
            Row::Purchase10 => "purchase, 10 units",
            Row::Pay => "paying an order",
            Row::BuyNow => "buy-now",
            Row::HotItem => "buy-now, one hot item",
            Row::Replay => "replay of a receipt",
            Row::Page => "page of items",
            Row::Crowd => "crowd, 90 % refusals",
            Row::SellOut => "sell-out",
            Row::Expiry => "orders that expire at once",
            Row::Opening => "opening a sale",
            Row::Recovery => "recovery of Redis",
            Row::Hostile => "hostile clients",
            Row::Memory => "resident memory",
            Row::Burst => "connections at once",
        }
    }

    /// Returns the time in which purchases in the sales of this row must be paid, if they must be.
    pub fn payment_window(self) -> Option<Duration> {
        match self {
            Row::PurchaseOrder | Row::Pay | Row::Expiry => Some(PAYMENT_WINDOW),
            _ => None,
        }
    }

    /// Returns true if the service needs a payment provider.
    pub fn needs_provider(self) -> bool {
        self == Row::Pay
    }

    pub fn find(name: &str) -> Result<Row, String> {
        Self::ALL.into_iter().find(|row| row.name() == name).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|row| row.name()).collect();
            format!("must be one of {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_found_by_its_name() {
        for row in Row::ALL {
            assert_eq!(Row::find(row.name()), Ok(row));
        }
        assert!(Row::find("nothing").unwrap_err().contains("purchase-10, buy-now"));
    }
}
