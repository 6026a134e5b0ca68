//! The JSON of a sale.

use std::ops::Not;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::application::sale::live_sale::LiveSale;
use crate::domain::sale::{PaymentWindow, Sale, SaleStatus};
use crate::domain::shared::{Currency, SaleId};
use crate::infrastructure::http::platform::timestamp::as_milliseconds;

/// A sale.
#[derive(Serialize, ToSchema)]
#[schema(as = Sale)]
pub struct SaleBody {
    id: SaleId,
    status: SaleStatus,
    #[serde(serialize_with = "as_milliseconds")]
    started_at: DateTime<Utc>,
    #[serde(serialize_with = "as_milliseconds")]
    ended_at: DateTime<Utc>,
    total_items: u32,
    total_units: u32,
    per_user_limit: u32,
    currency: Currency,
    /// Time in which a purchase must be paid; absent if it need not be.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    payment_window_seconds: Option<u32>,
    /// `true` if only users whose place in the waiting room was called may buy; absent if the sale has none.
    #[serde(skip_serializing_if = "Not::not")]
    #[schema(required = false)]
    waiting_room: bool,
}

impl SaleBody {
    /// The sale at this time.
    pub fn new(sale: &Sale, now: DateTime<Utc>) -> Self {
        SaleBody {
            id: sale.id,
            status: sale.window.status(now),
            started_at: sale.window.starts_at,
            ended_at: sale.window.ends_at,
            total_items: sale.items,
            total_units: sale.units,
            per_user_limit: sale.user_limit,
            currency: sale.currency,
            payment_window_seconds: sale.payment_window.map(PaymentWindow::seconds),
            waiting_room: sale.waiting_room,
        }
    }
}

/// A sale with its progress.
#[derive(Serialize, ToSchema)]
#[schema(as = SaleProgress)]
pub struct SaleProgressBody {
    #[serde(flatten)]
    sale: SaleBody,
    /// Items of which no unit is left.
    items_sold: u32,
    items_remaining: u32,
    units_sold: u32,
    units_remaining: u32,
    active: bool,
    #[serde(serialize_with = "as_milliseconds")]
    server_time: DateTime<Utc>,
}

impl SaleProgressBody {
    /// The sale at this time.
    pub fn new(sale: &LiveSale, now: DateTime<Utc>) -> Self {
        let body = SaleBody::new(&sale.sale(), now);
        let (items_sold, units_remaining) = {
            let left = sale.projection();
            (left.sold_out(), left.units())
        };
        SaleProgressBody {
            items_sold,
            items_remaining: body.total_items.saturating_sub(items_sold),
            units_sold: body.total_units.saturating_sub(units_remaining),
            units_remaining,
            active: body.status == SaleStatus::Open,
            server_time: now,
            sale: body,
        }
    }
}
