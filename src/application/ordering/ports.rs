//! The needs of the use cases. The doc comments are contracts.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use strum::{IntoStaticStr, VariantArray};

use crate::application::shared::StoreError;
use crate::domain::ordering::{Note, Order, OrderReason, OrderStatus, Transition};
use crate::domain::shared::{OrderId, SaleId};

use super::findings::{OrderCounts, OrderFindings};

/// Work that one instance does at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Work {
    /// Ending orders that are overdue.
    Expiry,
    /// Returning the stock of orders that ended without payment.
    Return,
    /// Finding out what became of payments.
    Reconciliation,
    /// Counting orders for the metrics.
    Counting,
}

/// The right to do some work for a while. Its token rises with each new claim, and every write of the work checks it, so
/// the late write of a holder that slept is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    pub work: Work,
    pub token: i64,
}

/// A process that claims leases: a random number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder(pub i64);

/// The end of an order without payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    pub status: OrderStatus,
    pub reason: OrderReason,
    /// The words of the person who cancelled it.
    pub note: Option<Note>,
}

impl End {
    /// Returns the change that ends an order in this state.
    pub fn transition(&self, from: OrderStatus) -> Transition {
        Transition { from, to: self.status, reason: Some(self.reason) }
    }
}

/// A selection of orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderFilter {
    pub status: OrderStatus,
    /// Only orders of this sale.
    pub sale: Option<SaleId>,
    pub limit: usize,
}

/// The fate of orders, in PostgreSQL. A deadline has passed if its clock says so and another one does: `now` is the time
/// of Redis.
#[async_trait]
pub trait OrderArchive: Send + Sync {
    /// Reads orders. Those that do not exist are missing in the answer.
    async fn orders(&self, ids: &[OrderId]) -> Result<HashMap<OrderId, Order>, StoreError>;

    /// Returns true if the deadline of an order has passed.
    async fn is_overdue(&self, order: OrderId, now: DateTime<Utc>) -> Result<bool, StoreError>;

    /// Returns the time until the next order in this state is overdue, which is zero if one is; `None` without one.
    async fn overdue_in(&self, from: OrderStatus) -> Result<Option<Duration>, StoreError>;

    /// Lists orders: the newest sale first, and its newest order first.
    async fn list(&self, filter: OrderFilter) -> Result<Vec<Order>, StoreError>;

    /// Ends an order that still has this state and version, if the lease of the work that ends it is still held; a request
    /// has no lease. Returns `None`, and changes nothing, otherwise.
    async fn end(&self, order: &Order, end: &End, lease: Option<Lease>) -> Result<Option<Order>, StoreError>;

    /// Ends up to `max` overdue orders in this state, oldest first, if the lease is still held. Returns their number.
    async fn end_overdue(
        &self,
        lease: Lease,
        from: OrderStatus,
        end: &End,
        now: DateTime<Utc>,
        max: usize,
    ) -> Result<u64, StoreError>;

    /// Returns true if an order ended without payment and its stock is not returned.
    async fn has_unreturned(&self) -> Result<bool, StoreError>;

    /// Lists up to `max` orders that ended without payment and whose stock is not returned, oldest end first. There are none
    /// for a lease that is lost.
    async fn unreturned(&self, lease: Lease, max: usize) -> Result<Vec<Order>, StoreError>;

    /// Counts all orders. Those whose deadline is over for this time are overdue.
    async fn count(&self, late: Duration) -> Result<OrderCounts, StoreError>;

    /// Checks the orders of a sale. What should have happened this time ago is a finding.
    async fn check_orders(&self, sale: SaleId, late: Duration) -> Result<OrderFindings, StoreError>;

    /// Claims some work, or extends the claim of the same holder, for this time. Returns `None` while another has it.
    async fn claim(&self, work: Work, holder: Holder, time: Duration) -> Result<Option<Lease>, StoreError>;
}
