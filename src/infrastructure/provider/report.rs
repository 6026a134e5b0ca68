//! The report: what was charged, and what was charged twice.

use std::collections::BTreeMap;

use serde::Serialize;
use sqlx::{FromRow, PgPool};

/// Most orders that a report names.
const ORDERS_MAX: i64 = 100;

/// The totals of everything that the provider did.
#[derive(Debug, Serialize)]
pub struct Report {
    #[serde(flatten)]
    totals: Totals,
    /// Orders with more than one charge that is not refunded.
    double_charges: i64,
    /// The first of them.
    orders: Vec<String>,
    /// Charges less refunds, by currency.
    net_minor: BTreeMap<String, i64>,
    webhooks: Webhooks,
}

#[derive(Debug, Serialize, FromRow)]
struct Totals {
    /// Payments that succeeded, refunded ones too.
    charges: i64,
    refunds: i64,
    declined: i64,
}

#[derive(Debug, Serialize, FromRow)]
struct Webhooks {
    /// Events that the receiver has acknowledged as often as they had to be sent.
    delivered: i64,
    pending: i64,
    lost: i64,
}

/// Reads the report.
pub async fn read(pool: &PgPool) -> sqlx::Result<Report> {
    let totals = sqlx::query_as(
        "SELECT count(*) FILTER (WHERE status = 'succeeded') AS charges,
                count(*) FILTER (WHERE refunded > 0) AS refunds,
                coalesce(sum(declines), 0)::bigint AS declined
         FROM provider.intents",
    );
    let orders: Vec<(String, i64)> = sqlx::query_as(
        "SELECT order_id, count(*) OVER () FROM provider.intents WHERE status = 'succeeded' AND refunded = 0
         GROUP BY order_id HAVING count(*) > 1 ORDER BY order_id LIMIT $1",
    )
    .bind(ORDERS_MAX)
    .fetch_all(pool)
    .await?;
    let net: Vec<(String, i64)> = sqlx::query_as(
        "SELECT currency, sum(amount - refunded)::bigint FROM provider.intents WHERE status = 'succeeded'
         GROUP BY currency",
    )
    .fetch_all(pool)
    .await?;
    let webhooks = sqlx::query_as(
        "SELECT count(*) FILTER (WHERE copies = 0 AND NOT is_lost) AS delivered,
                count(*) FILTER (WHERE copies > 0) AS pending,
                count(*) FILTER (WHERE is_lost) AS lost
         FROM provider.events",
    );
    Ok(Report {
        totals: totals.fetch_one(pool).await?,
        double_charges: orders.first().map_or(0, |(_, all)| *all),
        orders: orders.into_iter().map(|(order, _)| order).collect(),
        net_minor: net.into_iter().collect(),
        webhooks: webhooks.fetch_one(pool).await?,
    })
}

/// Logs an error if an order is charged more than once. Called after the commit of a charge: of two charges at once, the
/// later commit sees both.
pub async fn note_charge(pool: &PgPool, order_id: &str) {
    let charges = sqlx::query_scalar(
        "SELECT count(*) FROM provider.intents WHERE order_id = $1 AND status = 'succeeded' AND refunded = 0",
    );
    match charges.bind(order_id).fetch_one(pool).await {
        Ok(charges @ 2_i64..) => tracing::error!(order_id, charges, "an order is charged more than once"),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, order_id, "the charges of an order could not be counted"),
    }
}
