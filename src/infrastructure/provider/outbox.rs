//! Events: each is committed with the change that it tells of, and delivered later.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use super::faults::{Delivery, FaultPlan};
use super::intent::Intent;

/// Time for which an event is held back, if the faults reorder it.
const HELD_BACK: Duration = Duration::from_secs(2);

/// The kind of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Kind {
    #[serde(rename = "payment_intent.succeeded")]
    Succeeded,
    #[serde(rename = "payment_intent.payment_failed")]
    PaymentFailed,
    #[serde(rename = "payment_intent.canceled")]
    Canceled,
    #[serde(rename = "refund.succeeded")]
    Refunded,
}

#[derive(Serialize)]
struct Event<'a> {
    id: String,
    r#type: Kind,
    created_at: DateTime<Utc>,
    payment_intent: &'a Intent,
}

/// Adds an event to the transaction. The faults decide now if it will be delivered.
pub async fn add(connection: &mut PgConnection, faults: &FaultPlan, kind: Kind, intent: &Intent) -> sqlx::Result<()> {
    let number: i64 =
        sqlx::query_scalar("SELECT nextval('provider.event_numbers')").fetch_one(&mut *connection).await?;
    let id = format!("evt_{:032x}", rand::random::<u128>());
    let event = Event { id, r#type: kind, created_at: Utc::now(), payment_intent: intent };
    let (copies, is_held_back) = match faults.delivery(number) {
        Delivery::Lost => (0, false),
        Delivery::Sent { copies, is_held_back } => (copies, is_held_back),
    };
    sqlx::query(
        "INSERT INTO provider.events (number, body, copies, is_lost, due_at)
         VALUES ($1, $2, $3, $4, now() + $5 * interval '1 second')",
    )
    .bind(number)
    .bind(serde_json::to_string(&event).map_err(|error| sqlx::Error::Encode(error.into()))?)
    .bind(copies)
    .bind(copies == 0)
    .bind(if is_held_back { HELD_BACK } else { Duration::ZERO }.as_secs_f64())
    .execute(connection)
    .await?;
    Ok(())
}
