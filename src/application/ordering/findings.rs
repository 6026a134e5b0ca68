//! The counts of orders, and the findings about them.

use std::collections::HashMap;
use std::fmt;
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
    /// Payments of orders that had ended, whose money is not given back yet.
    pub refunds_pending: u64,
}

/// The findings about the orders of a sale. All should be zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct OrderFindings {
    /// Orders that ended long ago without payment, and whose stock is not returned.
    pub unreturned: u64,
    /// Orders whose deadline is long over, and that have not ended.
    pub overdue: u64,
    /// Orders that are paid, and whose units were released.
    pub paid_and_released: u64,
    /// Orders whose payment is not settled long after it should be, or settled against the state of the order.
    pub unsettled: u64,
}

impl OrderFindings {
    /// Returns true if nothing was found.
    pub fn is_sound(&self) -> bool {
        *self == OrderFindings::default()
    }
}

impl fmt::Display for OrderFindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OrderFindings { unreturned, overdue, paid_and_released, unsettled } = self;
        write!(
            f,
            "unreturned={unreturned} overdue={overdue} paid_and_released={paid_and_released} unsettled={unsettled}"
        )
    }
}

impl std::ops::AddAssign for OrderFindings {
    fn add_assign(&mut self, other: OrderFindings) {
        self.unreturned += other.unreturned;
        self.overdue += other.overdue;
        self.paid_and_released += other.paid_and_released;
        self.unsettled += other.unsettled;
    }
}
