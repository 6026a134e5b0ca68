//! An order: the fate of one purchase.

use chrono::{DateTime, Utc};

use crate::domain::shared::OrderId;

use super::{Note, OrderReason, OrderStatus};

/// The number of changes of an order, from 1. A change names the version that it is made to, so of two changes at once one
/// is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32);

/// The fate of one purchase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub id: OrderId,
    pub status: OrderStatus,
    pub version: Version,
    /// The time by which it must be paid.
    pub pay_by: DateTime<Utc>,
    /// The time at which it ends by itself; `None` once it is final.
    pub deadline: Option<DateTime<Utc>>,
    /// The reason of an end without payment.
    pub reason: Option<OrderReason>,
    /// The words of the person who cancelled it.
    pub note: Option<Note>,
    /// Payments that were declined.
    pub declines: u32,
    /// The time at which its units were free again, after an end without payment.
    pub returned_at: Option<DateTime<Utc>>,
}
