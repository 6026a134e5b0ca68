//! Intents to pay, and their rows.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{FromRow, PgConnection, PgPool};

/// Most intents of an order that are listed.
const LISTED_MAX: i64 = 100;

/// The state of an intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Status {
    RequiresConfirmation,
    /// The last payment method was declined; another one may be tried.
    RequiresPaymentMethod,
    Processing,
    Succeeded,
    Canceled,
}

/// An intent to pay for an order, as the API shows it.
#[derive(Debug, Clone, Serialize, FromRow)]
pub struct Intent {
    pub id: String,
    pub order_id: String,
    /// In minor units.
    pub amount: i64,
    pub currency: String,
    pub status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Zero, or the whole amount.
    pub refunded: i64,
    pub created_at: DateTime<Utc>,
}

/// A change of an intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Succeed,
    Decline,
    /// The payment succeeds later: see [`super::settlement`].
    Process,
    Cancel,
    Refund,
}

/// Inserts an intent.
pub async fn insert(
    connection: &mut PgConnection,
    order_id: &str,
    amount: i64,
    currency: &str,
) -> sqlx::Result<Intent> {
    sqlx::query_as(
        "INSERT INTO provider.intents (id, order_id, amount, currency, status)
         VALUES ($1, $2, $3, $4, 'requires_confirmation')
         RETURNING *",
    )
    .bind(format!("pi_{:032x}", rand::random::<u128>()))
    .bind(order_id)
    .bind(amount)
    .bind(currency)
    .fetch_one(connection)
    .await
}

/// Returns an intent, and keeps everybody else from changing it until the end of the transaction.
pub async fn lock(connection: &mut PgConnection, id: &str) -> sqlx::Result<Option<Intent>> {
    let query = sqlx::query_as("SELECT * FROM provider.intents WHERE id = $1 FOR UPDATE");
    query.bind(id).fetch_optional(connection).await
}

/// Changes an intent that is locked.
pub async fn change(connection: &mut PgConnection, id: &str, change: Change) -> sqlx::Result<Intent> {
    let query = match change {
        Change::Succeed => {
            "UPDATE provider.intents SET status = 'succeeded', last_error = NULL, settles_at = NULL
             WHERE id = $1 RETURNING *"
        }
        Change::Decline => {
            "UPDATE provider.intents
             SET status = 'requires_payment_method', last_error = 'card_declined', declines = declines + 1
             WHERE id = $1 RETURNING *"
        }
        Change::Process => {
            "UPDATE provider.intents
             SET status = 'processing', last_error = NULL, settles_at = now() + interval '2 seconds'
             WHERE id = $1 RETURNING *"
        }
        Change::Cancel => "UPDATE provider.intents SET status = 'canceled' WHERE id = $1 RETURNING *",
        Change::Refund => "UPDATE provider.intents SET refunded = amount WHERE id = $1 RETURNING *",
    };
    sqlx::query_as(query).bind(id).fetch_one(connection).await
}

/// Returns an intent.
pub async fn find(pool: &PgPool, id: &str) -> sqlx::Result<Option<Intent>> {
    sqlx::query_as("SELECT * FROM provider.intents WHERE id = $1").bind(id).fetch_optional(pool).await
}

/// Returns the first intents of an order.
pub async fn of_order(pool: &PgPool, order_id: &str) -> sqlx::Result<Vec<Intent>> {
    let query = sqlx::query_as("SELECT * FROM provider.intents WHERE order_id = $1 ORDER BY created_at, id LIMIT $2");
    query.bind(order_id).bind(LISTED_MAX).fetch_all(pool).await
}

/// Returns slow payments that are due, locked as by [`lock`], except those that somebody else has locked.
pub async fn lock_due(connection: &mut PgConnection, max: i64) -> sqlx::Result<Vec<Intent>> {
    let query = sqlx::query_as(
        "SELECT * FROM provider.intents WHERE settles_at <= now() ORDER BY settles_at LIMIT $1
         FOR UPDATE SKIP LOCKED",
    );
    query.bind(max).fetch_all(connection).await
}
