//! The contents of PostgreSQL at the end, read without the code of the service.

use std::collections::{HashMap, HashSet};

use sqlx::Row;

use super::Error;
use super::postgres_pair::Server;
use super::purchase::Name;

/// Everything that was sold, according to PostgreSQL.
#[derive(Default)]
pub struct Archive {
    /// Purchases by their code.
    pub purchases: HashMap<String, Purchase>,
    /// The names of all purchases.
    pub names: HashSet<Name>,
    /// Items that had fewer buyers than units, those who gave them back included.
    pub unsold: HashSet<String>,
    /// Units of each item.
    pub stock: HashMap<String, u32>,
    /// Orders by the code of their purchase.
    pub orders: HashMap<String, Order>,
    /// Ledger entries that PostgreSQL rejected.
    pub rejections: i64,
    /// Of these: releases of purchases that were released before.
    pub rejected_releases: i64,
}

/// One purchase.
#[derive(Debug, PartialEq, Eq)]
pub struct Purchase {
    pub order_id: String,
    pub user: String,
    /// An item for each unit, sorted.
    pub items: Vec<String>,
}

/// One order.
#[derive(Debug)]
pub struct Order {
    pub id: String,
    pub status: String,
    /// Its total, in minor units: each unit costs one.
    pub total: i64,
    /// It is over although nothing ended it: nobody cancelled it, and its time was not over; or its payment had succeeded,
    /// and the provider was not silent.
    pub is_early: bool,
    /// It ended by a cancellation.
    pub is_cancelled: bool,
}

const ORDERS: &str = "
    SELECT s.id || '-' || encode(p.code, 'hex') AS code, o.status, p.units * 100::bigint AS total,
           s.id || '-' || (o.ledger_id >> 20) || '-' || (o.ledger_id & 1048575) AS order_id,
           coalesce(o.reason IN ('USER_CANCEL', 'ADMIN'), false) AS is_cancelled,
           coalesce(o.reason = 'RESERVATION_TTL' AND o.finished_at < o.pay_by, false)
           OR EXISTS (
               SELECT FROM payments m WHERE m.sale = o.sale AND m.ledger_id = o.ledger_id
               AND m.state IN ('REFUNDING', 'REFUNDED')
               AND (o.finished_at < m.closing_since + interval '59 s') IS NOT FALSE
           ) AS is_early
    FROM orders o JOIN purchases p USING (sale, ledger_id) JOIN sales s ON s.key = o.sale";

const PURCHASES: &str = "
    SELECT s.id || '-' || encode(p.code, 'hex') AS code,
           s.id || '-' || (p.ledger_id >> 20) || '-' || (p.ledger_id & 1048575) AS order_id,
           p.user_id, p.request_id,
           ARRAY(SELECT s.id || '-' || lpad(unit->>'ordinal', 5, '0')
                 FROM json_array_elements(p.units) AS unit ORDER BY 1) AS items
    FROM recorded_purchases p JOIN sales s ON s.key = p.sale";

const REJECTED_RELEASES: &str = "SELECT count(*) FROM rejected_entries WHERE entry LIKE 'Released(%'";

const ITEMS: &str = "
    SELECT s.id || '-' || lpad(i.ordinal::text, 5, '0') AS item, i.stock,
           i.stock > (SELECT count(*) FROM purchase_units u WHERE u.sale = i.sale AND u.ordinal = i.ordinal)
                     + (SELECT count(*) FROM released_units u WHERE u.sale = i.sale AND u.ordinal = i.ordinal) AS unsold
    FROM items i JOIN sales s ON s.key = i.sale";

impl Archive {
    pub async fn read(server: &Server) -> Result<Self, Error> {
        let mut connection = server.connect().await?;
        let mut archive = Archive {
            purchases: HashMap::new(),
            names: HashSet::new(),
            unsold: HashSet::new(),
            stock: HashMap::new(),
            orders: HashMap::new(),
            rejections: sqlx::query_scalar("SELECT count(*) FROM rejected_entries").fetch_one(&mut connection).await?,
            rejected_releases: sqlx::query_scalar(REJECTED_RELEASES).fetch_one(&mut connection).await?,
        };
        for row in sqlx::query(PURCHASES).fetch_all(&mut connection).await? {
            let (code, user): (String, String) = (row.try_get("code")?, row.try_get("user_id")?);
            if let Some(request) = row.try_get("request_id")? {
                archive.names.insert(Name::Request { user: user.clone(), request });
            }
            archive.names.insert(Name::Code(code.clone()));
            let purchase = Purchase { order_id: row.try_get("order_id")?, user, items: row.try_get("items")? };
            archive.purchases.insert(code, purchase);
        }
        for row in sqlx::query(ORDERS).fetch_all(&mut connection).await? {
            let order = Order {
                id: row.try_get("order_id")?,
                status: row.try_get("status")?,
                total: row.try_get("total")?,
                is_early: row.try_get("is_early")?,
                is_cancelled: row.try_get("is_cancelled")?,
            };
            archive.orders.insert(row.try_get("code")?, order);
        }
        for row in sqlx::query(ITEMS).fetch_all(&mut connection).await? {
            let item: String = row.try_get("item")?;
            if row.try_get("unsold")? {
                archive.unsold.insert(item.clone());
            }
            archive.stock.insert(item, row.try_get::<i32, _>("stock")? as u32);
        }
        Ok(archive)
    }
}
