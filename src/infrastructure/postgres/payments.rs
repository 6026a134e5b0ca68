//! Payments, next to the orders that they pay.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{Connection, Postgres, Transaction};

use crate::application::ordering::ports::{Lease, OrderArchive};
use crate::application::payment::ports::{Commit, NewAttempt, OrderChange, PaymentArchive};
use crate::application::shared::StoreError;
use crate::domain::ordering::{Order, OrderEvent, OrderStatus, Transition};
use crate::domain::payment::{Attempt, AttemptState, EventId, IntentId, MinorUnits};
use crate::domain::shared::OrderId;

use super::connection::PgArchive;
use super::errors::store_error;
use super::metrics::{ORDER_TRANSITIONS, ORDER_TRANSITIONS_REFUSED};
use super::statement::Statement;

/// The change of an order whose payment begins.
const PAYMENT_BEGUN: Transition =
    Transition { from: OrderStatus::Reserved, to: OrderStatus::PaymentPending, reason: None };

struct PaymentRow {
    sale: String,
    ledger_id: i64,
    attempt: i16,
    intent: Option<String>,
    method: String,
    amount: i64,
    currency: String,
    state: String,
    closing: Option<String>,
    closing_since: Option<DateTime<Utc>>,
}

impl PaymentRow {
    fn into_attempt(self) -> Result<Attempt, StoreError> {
        let sale = self.sale.parse().map_err(StoreError::corrupt)?;
        let entry = self.ledger_id.try_into().map_err(StoreError::corrupt)?;
        let closing: Option<OrderEvent> =
            self.closing.map(|word| word.parse().map_err(|_| StoreError::corrupt(&word))).transpose()?;
        Ok(Attempt {
            order: OrderId { sale, entry },
            number: self.attempt.try_into().map_err(StoreError::corrupt)?,
            intent: self.intent.map(|intent| intent.parse().map_err(StoreError::corrupt)).transpose()?,
            method: self.method.parse().map_err(StoreError::corrupt)?,
            amount: MinorUnits(self.amount),
            currency: self.currency.parse().map_err(StoreError::corrupt)?,
            state: self.state.parse().map_err(|_| StoreError::corrupt(&self.state))?,
            closing: closing.zip(self.closing_since),
        })
    }
}

#[async_trait]
impl PaymentArchive for PgArchive {
    async fn begin(&self, order: &Order, new: &NewAttempt) -> Result<Option<Attempt>, StoreError> {
        let begun = sqlx::query_file_scalar!(
            "src/infrastructure/postgres/queries/begin_payment.sql",
            order.id.sale.to_string(),
            order.id.entry.to_i64(),
            order.version.0 as i32,
            new.patience.as_secs_f64(),
            new.method.as_str(),
            new.amount.0,
            new.ask_after.as_secs_f64(),
        );
        let begun = Statement::BeginPayment.run(begun.fetch_optional(&self.pool)).await?;
        match begun {
            Some(_) => ORDER_TRANSITIONS.of(PAYMENT_BEGUN).increment(1),
            None => ORDER_TRANSITIONS_REFUSED.increment(1),
        }
        let attempt = |number: i16| {
            Ok(Attempt {
                order: order.id,
                number: number.try_into().map_err(StoreError::corrupt)?,
                intent: None,
                method: new.method.clone(),
                amount: new.amount,
                currency: new.currency,
                state: AttemptState::Pending,
                closing: None,
            })
        };
        begun.map(attempt).transpose()
    }

    async fn latest(&self, order: OrderId) -> Result<Option<(Order, Attempt)>, StoreError> {
        let row = sqlx::query_as!(
            PaymentRow,
            "SELECT sales.id AS sale, ledger_id, attempt, intent, method, amount, currency, state, closing, closing_since
             FROM payments JOIN sales ON sales.key = sale
             WHERE sales.id = $1 AND ledger_id = $2 ORDER BY attempt DESC LIMIT 1",
            order.sale.to_string(),
            order.entry.to_i64(),
        );
        let row = Statement::Payment.run(row.fetch_optional(&self.pool)).await?;
        self.with_order(row).await
    }

    async fn by_intent(&self, intent: &IntentId) -> Result<Option<(Order, Attempt)>, StoreError> {
        let row = sqlx::query_as!(
            PaymentRow,
            "SELECT sales.id AS sale, ledger_id, attempt, intent, method, amount, currency, state, closing, closing_since
             FROM payments JOIN sales ON sales.key = sale WHERE intent = $1",
            intent.as_str(),
        );
        let row = Statement::Payment.run(row.fetch_optional(&self.pool)).await?;
        self.with_order(row).await
    }

    async fn note_intent(&self, attempt: &Attempt, intent: &IntentId) -> Result<(), StoreError> {
        let noted = sqlx::query!(
            "UPDATE payments SET intent = $4
             WHERE sale = (SELECT key FROM sales WHERE id = $1) AND ledger_id = $2 AND attempt = $3 AND intent IS NULL",
            attempt.order.sale.to_string(),
            attempt.order.entry.to_i64(),
            attempt.number as i16,
            intent.as_str(),
        );
        Statement::NoteIntent.run(noted.execute(&self.pool)).await.map(|_done| ())
    }

    async fn close(&self, attempt: &Attempt, event: OrderEvent) -> Result<Attempt, StoreError> {
        let row = sqlx::query!(
            r#"UPDATE payments
               SET closing = coalesce(closing, $4), closing_since = coalesce(closing_since, clock_timestamp()),
                   look_at = clock_timestamp()
               WHERE sale = (SELECT key FROM sales WHERE id = $1) AND ledger_id = $2 AND attempt = $3
               RETURNING intent, closing AS "closing!", closing_since AS "since!""#,
            attempt.order.sale.to_string(),
            attempt.order.entry.to_i64(),
            attempt.number as i16,
            <&str>::from(event),
        );
        let row = Statement::ClosePayment.run(row.fetch_one(&self.pool)).await?;
        let kept = row.closing.parse().map_err(|_| StoreError::corrupt(&row.closing))?;
        let intent = row.intent.map(|intent| intent.parse().map_err(StoreError::corrupt)).transpose()?;
        Ok(Attempt { closing: Some((kept, row.since)), intent, ..attempt.clone() })
    }

    async fn settle(
        &self,
        told: Option<&EventId>,
        (order, change): (&Order, Option<&OrderChange>),
        (attempt, state): (&Attempt, AttemptState),
    ) -> Result<Commit, StoreError> {
        let mut lease = self.pool.lease().await.map_err(store_error)?;
        let mut transaction = Statement::Begin.run(lease.begin()).await?;
        let commit = settle_in(&mut transaction, told, (order, change), (attempt, state)).await?;
        match commit {
            Commit::Done => Statement::Commit.run(transaction.commit()).await?,
            Commit::Repeated | Commit::Moved => drop(transaction),
        }
        lease.end(Ok(commit)).map_err(store_error)
    }

    async fn take_due(&self, lease: Lease, pause: Duration, max: usize) -> Result<Vec<(Order, Attempt)>, StoreError> {
        let rows = sqlx::query_file!(
            "src/infrastructure/postgres/queries/take_due_payments.sql",
            <&str>::from(lease.work),
            lease.token,
            pause.as_secs_f64(),
            max as i64,
        );
        let rows = Statement::TakeDuePayments.run(rows.fetch_all(&self.pool)).await?;
        let mut due = Vec::with_capacity(rows.len());
        for row in rows {
            let row = sqlx::query_as!(
                PaymentRow,
                "SELECT sales.id AS sale, ledger_id, attempt, intent, method, amount, currency, state, closing,
                        closing_since
                 FROM payments JOIN sales ON sales.key = sale
                 WHERE sales.id = $1 AND ledger_id = $2 AND attempt = $3",
                row.sale,
                row.ledger_id,
                row.attempt,
            );
            let row = Statement::Payment.run(row.fetch_optional(&self.pool)).await?;
            due.extend(self.with_order(row).await?);
        }
        Ok(due)
    }
}

impl PgArchive {
    async fn with_order(&self, row: Option<PaymentRow>) -> Result<Option<(Order, Attempt)>, StoreError> {
        let Some(attempt) = row.map(PaymentRow::into_attempt).transpose()? else { return Ok(None) };
        let order = self.orders(&[attempt.order]).await?.remove(&attempt.order);
        let order = order.ok_or_else(|| StoreError::Corrupt(format!("a payment of {} has no order", attempt.order)))?;
        Ok(Some((order, attempt)))
    }
}

async fn settle_in(
    transaction: &mut Transaction<'_, Postgres>,
    told: Option<&EventId>,
    (order, change): (&Order, Option<&OrderChange>),
    (attempt, state): (&Attempt, AttemptState),
) -> Result<Commit, StoreError> {
    if let Some(event) = told {
        let told = sqlx::query!("INSERT INTO payment_events (id) VALUES ($1) ON CONFLICT DO NOTHING", event.as_str());
        if Statement::SettlePayment.run(told.execute(&mut **transaction)).await?.rows_affected() == 0 {
            return Ok(Commit::Repeated);
        }
    }
    let settled = sqlx::query!(
        "UPDATE payments SET state = $5, settled_at = clock_timestamp(), look_at = clock_timestamp()
         WHERE sale = (SELECT key FROM sales WHERE id = $1) AND ledger_id = $2 AND attempt = $3 AND state = $4",
        attempt.order.sale.to_string(),
        attempt.order.entry.to_i64(),
        attempt.number as i16,
        <&str>::from(attempt.state),
        <&str>::from(state),
    );
    if Statement::SettlePayment.run(settled.execute(&mut **transaction)).await?.rows_affected() == 0 {
        return Ok(Commit::Moved);
    }
    let Some(change) = change else { return Ok(Commit::Done) };
    let Transition { to, reason, .. } = change.transition(order.status);
    let is_declined = state == AttemptState::Declined;
    let changed = sqlx::query!(
        "UPDATE orders
         SET status = $5, version = version + 1, reason = $6, declines = declines + $7,
             deadline = CASE WHEN $5 = 'RESERVED' THEN pay_by END,
             finished_at = CASE WHEN $5 = 'RESERVED' THEN NULL ELSE clock_timestamp() END
         WHERE sale = (SELECT key FROM sales WHERE id = $1) AND ledger_id = $2 AND version = $3 AND status = $4",
        order.id.sale.to_string(),
        order.id.entry.to_i64(),
        order.version.0 as i32,
        <&str>::from(order.status),
        <&str>::from(to),
        reason.map(<&str>::from),
        i16::from(is_declined),
    );
    if Statement::SettlePayment.run(changed.execute(&mut **transaction)).await?.rows_affected() == 0 {
        ORDER_TRANSITIONS_REFUSED.increment(1);
        return Ok(Commit::Moved);
    }
    ORDER_TRANSITIONS.of(change.transition(order.status)).increment(1);
    Ok(Commit::Done)
}
