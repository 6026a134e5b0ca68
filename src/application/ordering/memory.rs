//! Orders in memory, for tests.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::application::shared::StoreError;
use crate::domain::ordering::{Order, OrderStatus, Version};
use crate::domain::shared::{OrderId, SaleId};

use super::findings::{OrderCounts, OrderFindings};
use super::ports::{End, Holder, Lease, OrderArchive, OrderFilter, Work};

/// Orders whose deadline passes at the time of Redis. Every claim succeeds.
#[derive(Debug, Default)]
pub struct MemoryOrders {
    orders: Mutex<HashMap<OrderId, Order>>,
}

impl MemoryOrders {
    /// Holds this order, in place of an earlier one of its id.
    pub fn put(&self, order: Order) {
        self.orders_now().insert(order.id, order);
    }

    fn orders_now(&self) -> MutexGuard<'_, HashMap<OrderId, Order>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl OrderArchive for MemoryOrders {
    async fn orders(&self, ids: &[OrderId]) -> Result<HashMap<OrderId, Order>, StoreError> {
        let orders = self.orders_now();
        Ok(ids.iter().filter_map(|id| Some((*id, orders.get(id)?.clone()))).collect())
    }

    async fn is_overdue(&self, order: OrderId, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let orders = self.orders_now();
        Ok(orders.get(&order).and_then(|order| order.deadline).is_some_and(|deadline| deadline <= now))
    }

    async fn overdue_in(&self, from: OrderStatus) -> Result<Option<Duration>, StoreError> {
        let orders = self.orders_now();
        Ok(orders.values().any(|order| order.status == from).then_some(Duration::ZERO))
    }

    async fn list(&self, filter: OrderFilter) -> Result<Vec<Order>, StoreError> {
        let orders = self.orders_now();
        let is_listed =
            |order: &&Order| order.status == filter.status && filter.sale.is_none_or(|sale| order.id.sale == sale);
        Ok(orders.values().filter(is_listed).take(filter.limit).cloned().collect())
    }

    async fn end(&self, order: &Order, end: &End, _: Option<Lease>) -> Result<Option<Order>, StoreError> {
        let mut orders = self.orders_now();
        let Some(held) = orders.get_mut(&order.id).filter(|held| **held == *order) else { return Ok(None) };
        let version = Version(held.version.0 + 1);
        *held = Order {
            status: end.status,
            version,
            deadline: None,
            reason: Some(end.reason),
            note: end.note.clone(),
            ..held.clone()
        };
        Ok(Some(held.clone()))
    }

    async fn end_overdue(
        &self,
        _: Lease,
        from: OrderStatus,
        end: &End,
        now: DateTime<Utc>,
        max: usize,
    ) -> Result<u64, StoreError> {
        let is_overdue =
            |order: &&Order| order.status == from && order.deadline.is_some_and(|deadline| deadline <= now);
        let overdue: Vec<Order> = self.orders_now().values().filter(is_overdue).take(max).cloned().collect();
        for order in &overdue {
            self.end(order, end, None).await?;
        }
        Ok(overdue.len() as u64)
    }

    async fn has_unreturned(&self) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn unreturned(&self, _: Lease, _: usize) -> Result<Vec<Order>, StoreError> {
        Ok(Vec::new())
    }

    async fn count(&self, _: Duration) -> Result<OrderCounts, StoreError> {
        let mut counts = OrderCounts::default();
        self.orders_now().values().for_each(|order| *counts.by_status.entry(order.status).or_default() += 1);
        Ok(counts)
    }

    async fn check_orders(&self, _: SaleId, _: Duration) -> Result<OrderFindings, StoreError> {
        Ok(OrderFindings::default())
    }

    async fn claim(&self, work: Work, _: Holder, _: Duration) -> Result<Option<Lease>, StoreError> {
        Ok(Some(Lease { work, token: 1 }))
    }
}
