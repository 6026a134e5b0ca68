//! Payments, next to the orders that they pay.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::application::ordering::ports::Lease;
use crate::application::payment::ports::{Commit, NewAttempt, OrderChange, PaymentArchive};
use crate::application::shared::StoreError;
use crate::domain::ordering::{Note, Order, OrderEvent, OrderStatus, Transition};
use crate::domain::payment::{Attempt, AttemptState, Closing, EventId, IntentId, MinorUnits};
use crate::domain::shared::OrderId;

use super::connection::PgArchive;
use super::metrics::{ORDER_TRANSITIONS, ORDER_TRANSITIONS_REFUSED};
use super::orders::{OrderRow, note};
use super::statement::Statement;

/// The answer to a write of work that another instance has taken over.
const LEASE_LOST: StoreError = StoreError::Busy("another instance has taken over the work");

/// The change of an order whose payment begins.
const PAYMENT_BEGUN: Transition =
    Transition { from: OrderStatus::Reserved, to: OrderStatus::PaymentPending, reason: None };

/// An attempt and its order.
struct PaymentRow {
    sale: String,
    ledger_id: i64,
    version: i32,
    status: String,
    pay_by: DateTime<Utc>,
    deadline: Option<DateTime<Utc>>,
    reason: Option<String>,
    note: Option<String>,
    declines: i16,
    returned_at: Option<DateTime<Utc>>,
    attempt: i16,
    intent: Option<String>,
    method: String,
    amount: i64,
    currency: String,
    state: String,
    closing: Option<String>,
    closing_note: Option<String>,
    /// Seconds since it is being cancelled.
    closing_for: Option<f64>,
}

impl PaymentRow {
    fn parse(self) -> Result<(Order, Attempt), StoreError> {
        let closing =
            self.closing.zip(self.closing_for).map(|(event, elapsed)| closing(&event, self.closing_note, elapsed));
        let order = OrderRow {
            sale: self.sale,
            ledger_id: self.ledger_id,
            version: self.version,
            status: self.status,
            pay_by: self.pay_by,
            deadline: self.deadline,
            reason: self.reason,
            note: self.note,
            declines: self.declines,
            returned_at: self.returned_at,
        };
        let order = order.into_order()?;
        let attempt = Attempt {
            order: order.id,
            number: self.attempt.try_into().map_err(StoreError::corrupt)?,
            intent: intent(self.intent)?,
            method: self.method.parse().map_err(StoreError::corrupt)?,
            amount: MinorUnits(self.amount),
            currency: self.currency.parse().map_err(StoreError::corrupt)?,
            state: self.state.parse().map_err(|_| StoreError::corrupt(&self.state))?,
            closing: closing.transpose()?,
        };
        Ok((order, attempt))
    }
}

fn closing(event: &str, words: Option<String>, elapsed: f64) -> Result<Closing, StoreError> {
    Ok(Closing {
        event: event.parse().map_err(|_| StoreError::corrupt(event))?,
        note: note(words)?,
        // A clock that is set back leaves a negative time.
        elapsed: Duration::try_from_secs_f64(elapsed.max(0.0)).map_err(StoreError::corrupt)?,
    })
}

fn intent(name: Option<String>) -> Result<Option<IntentId>, StoreError> {
    name.map(|name| name.parse().map_err(StoreError::corrupt)).transpose()
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
            "SELECT sales.id AS sale, ledger_id, version, status, pay_by, deadline, reason, note, declines, returned_at,
                    attempt, intent, method, amount, currency, state, closing, closing_note,
                    extract(epoch FROM clock_timestamp() - closing_since)::float8 AS closing_for
             FROM payments JOIN orders USING (sale, ledger_id) JOIN sales ON sales.key = sale
             WHERE sales.id = $1 AND ledger_id = $2 ORDER BY attempt DESC LIMIT 1",
            order.sale.to_string(),
            order.entry.to_i64(),
        );
        let row = Statement::Payment.run(row.fetch_optional(&self.pool)).await?;
        row.map(PaymentRow::parse).transpose()
    }

    async fn by_intent(&self, intent: &IntentId) -> Result<Option<(Order, Attempt)>, StoreError> {
        let row = sqlx::query_as!(
            PaymentRow,
            "SELECT sales.id AS sale, ledger_id, version, status, pay_by, deadline, reason, note, declines, returned_at,
                    attempt, intent, method, amount, currency, state, closing, closing_note,
                    extract(epoch FROM clock_timestamp() - closing_since)::float8 AS closing_for
             FROM payments JOIN orders USING (sale, ledger_id) JOIN sales ON sales.key = sale
             WHERE intent = $1",
            intent.as_str(),
        );
        let row = Statement::Payment.run(row.fetch_optional(&self.pool)).await?;
        row.map(PaymentRow::parse).transpose()
    }

    async fn note_intent(&self, lease: Option<Lease>, attempt: &Attempt, intent: &IntentId) -> Result<(), StoreError> {
        let noted = sqlx::query!(
            "UPDATE payments SET intent = $4
             WHERE sale = (SELECT key FROM sales WHERE id = $1) AND ledger_id = $2 AND attempt = $3 AND intent IS NULL
               AND ($5::text IS NULL OR EXISTS (
                   SELECT FROM leases WHERE name = $5 AND token = $6::bigint AND until > clock_timestamp() FOR SHARE
               ))",
            attempt.order.sale.to_string(),
            attempt.order.entry.to_i64(),
            attempt.number as i16,
            intent.as_str(),
            lease.map(|lease| <&str>::from(lease.work)),
            lease.map(|lease| lease.token),
        );
        Statement::NoteIntent.run(noted.execute(&self.pool)).await.map(|_done| ())
    }

    async fn hasten(&self, attempt: &Attempt) -> Result<(), StoreError> {
        let hastened = sqlx::query!(
            "UPDATE payments SET look_at = clock_timestamp()
             WHERE sale = (SELECT key FROM sales WHERE id = $1) AND ledger_id = $2 AND attempt = $3 AND state = 'PENDING'",
            attempt.order.sale.to_string(),
            attempt.order.entry.to_i64(),
            attempt.number as i16,
        );
        Statement::HastenPayment.run(hastened.execute(&self.pool)).await.map(|_done| ())
    }

    async fn close(
        &self,
        lease: Option<Lease>,
        attempt: &Attempt,
        event: OrderEvent,
        note: Option<&Note>,
    ) -> Result<Option<Attempt>, StoreError> {
        let row = sqlx::query_file!(
            "src/infrastructure/postgres/queries/close_payment.sql",
            attempt.order.sale.to_string(),
            attempt.order.entry.to_i64(),
            attempt.number as i16,
            <&str>::from(event),
            note.map(Note::as_str),
            lease.map(|lease| <&str>::from(lease.work)),
            lease.map(|lease| lease.token),
        );
        let Some(row) = Statement::ClosePayment.run(row.fetch_optional(&self.pool)).await? else { return Ok(None) };
        let closing = closing(&row.event, row.note, row.elapsed)?;
        Ok(Some(Attempt { closing: Some(closing), intent: intent(row.intent)?, ..attempt.clone() }))
    }

    async fn settle(
        &self,
        held: Option<Lease>,
        told: Option<&EventId>,
        (order, change): (&Order, Option<&OrderChange>),
        (attempt, state): (&Attempt, AttemptState),
    ) -> Result<Commit, StoreError> {
        let transition = change.map(|change| change.transition(order.status));
        let settled = sqlx::query_file!(
            "src/infrastructure/postgres/queries/settle_payment.sql",
            attempt.order.sale.to_string(),
            attempt.order.entry.to_i64(),
            attempt.number as i16,
            <&str>::from(attempt.state),
            <&str>::from(state),
            transition.map(|_| order.version.0 as i32),
            <&str>::from(order.status),
            transition.map(|transition| <&str>::from(transition.to)),
            transition.and_then(|transition| transition.reason).map(<&str>::from),
            change.and_then(OrderChange::note).map(Note::as_str),
            i16::from(state == AttemptState::Declined),
            told.map(EventId::as_str),
            held.map(|lease| <&str>::from(lease.work)),
            held.map(|lease| lease.token),
        );
        let settled = Statement::SettlePayment.run(settled.fetch_one(&self.pool)).await?;
        match (settled.is_settled, transition) {
            (true, Some(transition)) => ORDER_TRANSITIONS.of(transition).increment(1),
            (false, Some(_)) if settled.is_held && !settled.is_repeated => ORDER_TRANSITIONS_REFUSED.increment(1),
            (_, _) => {}
        }
        match settled {
            _ if !settled.is_held => Err(LEASE_LOST),
            _ if settled.is_repeated => Ok(Commit::Repeated),
            _ if settled.is_settled => Ok(Commit::Done),
            _ => Ok(Commit::Moved),
        }
    }

    async fn due_in(&self) -> Result<Option<Duration>, StoreError> {
        let seconds = sqlx::query_scalar!(
            "SELECT extract(epoch FROM min(look_at) - clock_timestamp())::float8
             FROM payments WHERE state IN ('PENDING', 'REFUNDING')",
        );
        let seconds = Statement::PaymentsDueIn.run(seconds.fetch_one(&self.pool)).await?;
        seconds.map(|seconds| Duration::try_from_secs_f64(seconds.max(0.0))).transpose().map_err(StoreError::corrupt)
    }

    async fn take_due(&self, lease: Lease, pause: Duration, max: usize) -> Result<Vec<(Order, Attempt)>, StoreError> {
        let rows = sqlx::query_file_as!(
            PaymentRow,
            "src/infrastructure/postgres/queries/take_due_payments.sql",
            <&str>::from(lease.work),
            lease.token,
            pause.as_secs_f64(),
            max as i64,
        );
        let rows = Statement::TakeDuePayments.run(rows.fetch_all(&self.pool)).await?;
        rows.into_iter().map(PaymentRow::parse).collect()
    }
}
