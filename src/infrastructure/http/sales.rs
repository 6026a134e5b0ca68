//! `GET /sales`, `GET /sales/active` and `GET /sales/{id}`; and how a sale is shown.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::receipt::as_milliseconds;
use crate::application::sale::live_sale::LiveSale;
use crate::domain::sale::{Sale, SaleStatus};
use crate::domain::shared::{Currency, SaleId};

use super::answer::{self, Answer};
use super::checkout::sale_not_found;
use super::faults::FieldErrors;
use super::front::Front;
use super::problem::Problem;
use super::query;
use super::request::ApiRequest;

/// The periodic sale that is on.
pub async fn active(front: &Front, asked: &ApiRequest) -> Result<Answer, Problem> {
    let [] = query::read(asked.query(), [])?;
    let sale = front.shop.current_sale()?;
    Ok(answer::ok(&Progress::of(&sale, front.shop.clock.now())))
}

/// One sale.
pub async fn get(front: &Front, asked: &ApiRequest) -> Result<Answer, Problem> {
    let id = asked.params.parse("id")?;
    let [] = query::read(asked.query(), [])?;
    let sale = front.shop.find_sale(id).await?.ok_or_else(sale_not_found)?;
    Ok(answer::ok(&Progress::of(&sale, front.shop.clock.now())))
}

/// Lists sales, latest start first.
pub async fn list(front: &Front, asked: &ApiRequest) -> Result<Answer, Problem> {
    let [status, cursor] = query::read(asked.query(), ["status", "cursor"])?;
    let mut faults = FieldErrors::default();
    let status: Option<SaleStatus> = faults.parse("status", status);
    let after: Option<SaleId> = faults.parse("cursor", cursor);
    faults.check()?;
    let (page, now) = (front.shop.list_sales(status, after).await?, front.shop.clock.now());
    let sales = page.entries.iter().map(|sale| About::of(sale, now)).collect();
    Ok(answer::ok(&Listed { sales, next_cursor: page.next }))
}

/// One page of sales, latest start first.
#[derive(Serialize, ToSchema)]
#[schema(as = Sales)]
pub struct Listed {
    sales: Vec<About>,
    /// The `cursor` of the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_cursor: Option<SaleId>,
}

/// What is settled about a sale.
#[derive(Serialize, ToSchema)]
#[schema(as = Sale)]
pub struct About {
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
}

impl About {
    /// The sale as it is at `now`.
    pub fn of(sale: &Sale, now: DateTime<Utc>) -> Self {
        About {
            id: sale.id,
            status: sale.window.status(now),
            started_at: sale.window.starts_at,
            ended_at: sale.window.ends_at,
            total_items: sale.items,
            total_units: sale.units,
            per_user_limit: sale.user_limit,
            currency: sale.currency,
        }
    }
}

/// A sale, and how far it has got.
#[derive(Serialize, ToSchema)]
#[schema(as = SaleProgress)]
pub struct Progress {
    #[serde(flatten)]
    about: About,
    /// Items of which nothing is left.
    items_sold: u32,
    items_remaining: u32,
    units_sold: u32,
    units_remaining: u32,
    active: bool,
    #[serde(serialize_with = "as_milliseconds")]
    server_time: DateTime<Utc>,
}

impl Progress {
    fn of(sale: &LiveSale, now: DateTime<Utc>) -> Self {
        let about = About::of(&sale.sale(), now);
        let (items_sold, units_remaining) = {
            let left = sale.projection();
            (left.sold_out(), left.units())
        };
        Progress {
            items_sold,
            items_remaining: about.total_items.saturating_sub(items_sold),
            units_sold: about.total_units.saturating_sub(units_remaining),
            units_remaining,
            active: about.status == SaleStatus::Open,
            server_time: now,
            about,
        }
    }
}
