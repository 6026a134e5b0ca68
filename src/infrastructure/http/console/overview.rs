//! `GET /admin/console`: the page with the health of the service and all sales.

use std::sync::Arc;

use askama::Template;
use chrono::{DateTime, Utc};
use hyper::{Method, StatusCode};

use crate::application::sale::live_sale::LiveSale;
use crate::application::sale::ports::MinuteSold;
use crate::application::shared::StoreError;
use crate::domain::sale::SaleStatus;
use crate::domain::shared::SaleId;
use crate::infrastructure::http::platform::readiness::Services;
use crate::infrastructure::http::platform::{Answer, ApiRequest, Context, Endpoint, Problem};
use crate::infrastructure::http::web::{html, number};

use super::layout::Layout;
use super::room_panel::RoomPanel;
use super::sale_card::SaleCard;
use super::{PAGE, alarms};

/// Most sales with a curve in each state: each costs a query that reads all purchases of the sale.
const CURVES_MAX: usize = 5;

pub static ENDPOINT: Endpoint =
    Endpoint::page(Method::GET, "/admin/console", PAGE, |context, request| Box::pin(get(context, request)));

/// The page.
#[derive(Template)]
#[template(path = "console/overview.html")]
struct OverviewPage {
    layout: Layout,
    as_of: String,
    services: [(&'static str, bool); 4],
    uptime: String,
    version: &'static str,
    alarms: Vec<String>,
    groups: [(&'static str, Vec<SaleCard>); 3],
}

async fn get(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let services = context.readiness.check(&context.shop).await;
    let now = context.shop.clock.now();
    let mut live = context.shop.sales.all_live();
    live.sort_by_key(|sale| sale.sale().window.starts_at);
    let mut alarms = alarms::of(context, services, &live);
    let open = of_status(context, &live, SaleStatus::Open, now).await;
    let scheduled = of_status(context, &live, SaleStatus::Scheduled, now).await;
    let ended = ended(context, now).await.unwrap_or_else(|_| {
        alarms.push("The sales that have ended cannot be read now.".into());
        Vec::new()
    });
    let Services { app, database, redis, ledger_writer } = services;
    let page = OverviewPage {
        layout: Layout::titled("Overview"),
        as_of: now.format("%H:%M:%S UTC").to_string(),
        services: [("Service", app), ("Redis", redis), ("PostgreSQL", database), ("Ledger writer", ledger_writer)],
        uptime: number::span(chrono::TimeDelta::from_std(context.readiness.uptime()).unwrap_or_default()),
        version: env!("CARGO_PKG_VERSION"),
        alarms,
        groups: [("Open", open), ("Scheduled", scheduled), ("Ended lately", ended)],
    };
    html::answer(&request.head.headers, StatusCode::OK, &page)
}

async fn of_status(context: &Context, live: &[Arc<LiveSale>], status: SaleStatus, now: DateTime<Utc>) -> Vec<SaleCard> {
    let mut cards = Vec::new();
    for live in live.iter().filter(|live| live.sale().window.status(now) == status) {
        let sale = live.sale();
        let sold = sale.units.saturating_sub(live.projection().units());
        let has_curve = sold > 0 && cards.len() < CURVES_MAX;
        let minutes = if has_curve { minutes(context, sale.id).await.unwrap_or_default() } else { Vec::new() };
        let room = context.rooms.view(sale.id).await.ok().flatten().map(|view| RoomPanel::new(&view));
        cards.push(SaleCard { room, ..SaleCard::new(&sale, sold.into(), &minutes, now) });
    }
    cards
}

/// Returns the sales that ended last. All of their purchases are in the archive, or will soon be.
async fn ended(context: &Context, now: DateTime<Utc>) -> Result<Vec<SaleCard>, StoreError> {
    let page = context.shop.list_sales(Some(SaleStatus::Ended), None).await?;
    let mut cards = Vec::new();
    for sale in page.entries.iter().take(CURVES_MAX) {
        let minutes = minutes(context, sale.id).await?;
        cards.push(SaleCard::new(sale, minutes.iter().map(|minute| minute.units).sum(), &minutes, now));
    }
    Ok(cards)
}

async fn minutes(context: &Context, sale: SaleId) -> Result<Vec<MinuteSold>, StoreError> {
    context.shop.reads.sold_by_minute(sale).await
}
