//! Orders, and the leases of the work on them.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::application::ordering::ports::{End, Holder, Lease, OrderArchive, OrderFilter, Work};
use crate::application::ordering::{OrderCounts, OrderFindings};
use crate::application::shared::StoreError;
use crate::domain::ordering::{Note, Order, OrderStatus, Version};
use crate::domain::shared::{OrderId, SaleId};

use super::connection::PgArchive;
use super::metrics::{ORDER_TRANSITIONS, ORDER_TRANSITIONS_REFUSED};
use super::statement::Statement;

pub(super) struct OrderRow {
    pub sale: String,
    pub ledger_id: i64,
    pub version: i32,
    pub status: String,
    pub pay_by: DateTime<Utc>,
    pub deadline: Option<DateTime<Utc>>,
    pub reason: Option<String>,
    pub note: Option<String>,
    pub declines: i16,
    pub returned_at: Option<DateTime<Utc>>,
}

impl OrderRow {
    pub(super) fn into_order(self) -> Result<Order, StoreError> {
        let sale = self.sale.parse().map_err(StoreError::corrupt)?;
        let entry = self.ledger_id.try_into().map_err(StoreError::corrupt)?;
        Ok(Order {
            id: OrderId { sale, entry },
            status: self.status.parse().map_err(|_| StoreError::corrupt(&self.status))?,
            version: Version(self.version.try_into().map_err(StoreError::corrupt)?),
            pay_by: self.pay_by,
            deadline: self.deadline,
            reason: self.reason.map(|word| word.parse().map_err(|_| StoreError::corrupt(&word))).transpose()?,
            note: note(self.note)?,
            declines: self.declines.try_into().map_err(StoreError::corrupt)?,
            returned_at: self.returned_at,
        })
    }
}

/// Reads the words of a person who cancelled.
pub(super) fn note(text: Option<String>) -> Result<Option<Note>, StoreError> {
    text.map(|text| text.parse().map_err(StoreError::corrupt)).transpose()
}

#[async_trait]
impl OrderArchive for PgArchive {
    async fn orders(&self, ids: &[OrderId]) -> Result<HashMap<OrderId, Order>, StoreError> {
        let (sales, ledger_ids): (Vec<String>, Vec<i64>) =
            ids.iter().map(|id| (id.sale.to_string(), id.entry.to_i64())).unzip();
        let rows = sqlx::query_as!(
            OrderRow,
            // The limit keeps it from reading all orders: statistics about an open sale are stale.
            "SELECT sales.id AS sale, found.ledger_id, version, status, pay_by, deadline, reason, note, declines,
                    returned_at
             FROM unnest($1::text[], $2::bigint[]) AS wanted (sale, ledger_id)
             JOIN sales ON sales.id = wanted.sale
             CROSS JOIN LATERAL (
                 SELECT * FROM orders WHERE sale = sales.key AND ledger_id = wanted.ledger_id LIMIT 1
             ) AS found",
            &sales,
            &ledger_ids,
        );
        let rows = Statement::Orders.run(rows.fetch_all(&self.pool)).await?;
        rows.into_iter().map(|row| row.into_order().map(|order| (order.id, order))).collect()
    }

    async fn is_overdue(&self, order: OrderId, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let is_overdue = sqlx::query_scalar!(
            r#"SELECT EXISTS (
                   SELECT FROM orders
                   WHERE sale = (SELECT key FROM sales WHERE id = $1) AND ledger_id = $2
                     AND deadline <= clock_timestamp() AND deadline <= $3
               ) AS "is_overdue!""#,
            order.sale.to_string(),
            order.entry.to_i64(),
            now,
        );
        Statement::OrderIsOverdue.run(is_overdue.fetch_one(&self.pool)).await
    }

    async fn overdue_in(&self, from: OrderStatus) -> Result<Option<Duration>, StoreError> {
        let seconds = sqlx::query_scalar!(
            "SELECT extract(epoch FROM min(next.deadline) - clock_timestamp())::float8
             FROM sales
             CROSS JOIN LATERAL (
                 SELECT deadline FROM orders
                 WHERE sale = sales.key AND deadline IS NOT NULL AND status = $1
                 ORDER BY deadline LIMIT 1
             ) AS next
             WHERE closed_at IS NULL AND payment_window IS NOT NULL",
            <&str>::from(from),
        );
        let seconds = Statement::OrdersOverdueIn.run(seconds.fetch_one(&self.pool)).await?;
        seconds.map(|seconds| Duration::try_from_secs_f64(seconds.max(0.0))).transpose().map_err(StoreError::corrupt)
    }

    async fn list(&self, filter: OrderFilter) -> Result<Vec<Order>, StoreError> {
        let rows = sqlx::query_as!(
            OrderRow,
            "SELECT sales.id AS sale, ledger_id, version, status, pay_by, deadline, reason, note, declines, returned_at
             FROM orders JOIN sales ON sales.key = sale
             WHERE status = $1 AND ($2::text IS NULL OR sale = (SELECT key FROM sales WHERE id = $2))
             ORDER BY sale DESC, ledger_id DESC LIMIT $3",
            <&str>::from(filter.status),
            filter.sale.map(|sale| sale.to_string()),
            filter.limit as i64,
        );
        let rows = Statement::ListOrders.run(rows.fetch_all(&self.pool)).await?;
        rows.into_iter().map(OrderRow::into_order).collect()
    }

    async fn end(&self, order: &Order, end: &End, lease: Option<Lease>) -> Result<Option<Order>, StoreError> {
        let row = sqlx::query_file_as!(
            OrderRow,
            "src/infrastructure/postgres/queries/end_order.sql",
            order.id.sale.to_string(),
            order.id.entry.to_i64(),
            order.version.0 as i32,
            <&str>::from(order.status),
            <&str>::from(end.status),
            <&str>::from(end.reason),
            end.note.as_ref().map(Note::as_str),
            lease.map(|lease| <&str>::from(lease.work)),
            lease.map(|lease| lease.token),
        );
        let ended = Statement::EndOrder.run(row.fetch_optional(&self.pool)).await?;
        match ended {
            Some(_) => ORDER_TRANSITIONS.of(end.transition(order.status)).increment(1),
            None => ORDER_TRANSITIONS_REFUSED.increment(1),
        }
        ended.map(OrderRow::into_order).transpose()
    }

    async fn end_overdue(
        &self,
        lease: Lease,
        from: OrderStatus,
        end: &End,
        now: DateTime<Utc>,
        max: usize,
    ) -> Result<u64, StoreError> {
        let ended = sqlx::query_file!(
            "src/infrastructure/postgres/queries/end_overdue_orders.sql",
            <&str>::from(lease.work),
            lease.token,
            <&str>::from(from),
            <&str>::from(end.status),
            <&str>::from(end.reason),
            max as i64,
            now,
        );
        let ended = Statement::EndOverdueOrders.run(ended.execute(&self.pool)).await?;
        ORDER_TRANSITIONS.of(end.transition(from)).increment(ended.rows_affected());
        Ok(ended.rows_affected())
    }

    async fn unreturned(&self, lease: Lease, max: usize) -> Result<Vec<Order>, StoreError> {
        let rows = sqlx::query_as!(
            OrderRow,
            "SELECT sales.id AS sale, ledger_id, version, status, pay_by, deadline, reason, note, declines, returned_at
             FROM orders JOIN sales ON sales.key = sale
             WHERE status IN ('CANCELLED', 'EXPIRED') AND returned_at IS NULL
               AND EXISTS (SELECT FROM leases WHERE name = $1 AND token = $2 AND until > clock_timestamp())
             ORDER BY finished_at LIMIT $3",
            <&str>::from(lease.work),
            lease.token,
            max as i64,
        );
        let rows = Statement::UnreturnedOrders.run(rows.fetch_all(&self.pool)).await?;
        rows.into_iter().map(OrderRow::into_order).collect()
    }

    async fn has_unreturned(&self) -> Result<bool, StoreError> {
        let has_unreturned = sqlx::query_scalar!(
            r#"SELECT EXISTS (
                   SELECT FROM orders WHERE status IN ('CANCELLED', 'EXPIRED') AND returned_at IS NULL
               ) AS "has_unreturned!""#,
        );
        Statement::HasUnreturnedOrders.run(has_unreturned.fetch_one(&self.pool)).await
    }

    async fn count(&self, late: Duration) -> Result<OrderCounts, StoreError> {
        let counts = sqlx::query!(
            // Sale by sale: the orders of closed sales are not read.
            r#"SELECT status AS "status!", sum(of_sale.orders)::bigint AS "orders!"
               FROM sales
               CROSS JOIN LATERAL (
                   SELECT status, count(*) AS orders FROM orders WHERE sale = sales.key GROUP BY status
               ) AS of_sale
               WHERE closed_at IS NULL AND payment_window IS NOT NULL GROUP BY status"#,
        );
        let mut by_status = HashMap::new();
        for row in Statement::CountOrders.run(counts.fetch_all(&self.bulk)).await? {
            let status = row.status.parse().map_err(|_| StoreError::corrupt(&row.status))?;
            by_status.insert(status, u64::try_from(row.orders).map_err(StoreError::corrupt)?);
        }
        let late = sqlx::query!(
            r#"SELECT (SELECT count(*) FROM sales JOIN orders ON sale = key
                       WHERE closed_at IS NULL AND deadline < statement_timestamp() - make_interval(secs => $1))
                          AS "overdue!",
                      (SELECT greatest(extract(epoch FROM clock_timestamp() - min(finished_at)), 0)::float8 FROM orders
                       WHERE status IN ('CANCELLED', 'EXPIRED') AND returned_at IS NULL) AS "return_lag!",
                      (SELECT count(*) FROM payments WHERE state = 'REFUNDING') AS "refunds_pending!""#,
            late.as_secs_f64(),
        );
        let late = Statement::LateOrders.run(late.fetch_one(&self.pool)).await?;
        Ok(OrderCounts {
            by_status,
            overdue: u64::try_from(late.overdue).map_err(StoreError::corrupt)?,
            return_lag: Duration::try_from_secs_f64(late.return_lag).map_err(StoreError::corrupt)?,
            refunds_pending: u64::try_from(late.refunds_pending).map_err(StoreError::corrupt)?,
        })
    }

    async fn check_orders(&self, sale: SaleId, late: Duration) -> Result<OrderFindings, StoreError> {
        let found = sqlx::query_file!(
            "src/infrastructure/postgres/queries/check_orders.sql",
            sale.to_string(),
            late.as_secs_f64(),
        );
        let found = Statement::CheckOrders.run(found.fetch_one(&self.bulk)).await?;
        let number = |count: i64| u64::try_from(count).map_err(StoreError::corrupt);
        Ok(OrderFindings {
            unreturned: number(found.unreturned)?,
            overdue: number(found.overdue)?,
            paid_and_released: number(found.paid_and_released)?,
            unsettled: number(found.unsettled)?,
        })
    }

    async fn claim(&self, work: Work, holder: Holder, time: Duration) -> Result<Option<Lease>, StoreError> {
        let token = sqlx::query_file_scalar!(
            "src/infrastructure/postgres/queries/claim_lease.sql",
            <&str>::from(work),
            holder.0,
            time.as_secs_f64(),
        );
        let token = Statement::ClaimLease.run(token.fetch_optional(&self.pool)).await?;
        Ok(token.map(|token| Lease { work, token }))
    }
}
