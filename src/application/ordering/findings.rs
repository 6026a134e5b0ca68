//! The counts of orders.

use std::collections::HashMap;
use std::time::Duration;

use crate::domain::ordering::OrderStatus;

/// Counts of all orders.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OrderCounts {
    /// Orders of sales that are not closed. A state without orders is missing.
    pub by_status: HashMap<OrderStatus, u64>,
    /// Orders whose deadline is long over, and that have not ended.
    pub overdue: u64,
    /// Time since the oldest end whose stock is not returned; zero if there is none.
    pub return_lag: Duration,
}
