//! `GET /metrics`.

use std::time::Duration;

use hyper::StatusCode;

use crate::application::Shop;
use crate::infrastructure::metrics;

use super::answer::{self, Answer};

/// Everything that is measured. What can be read off the shop is read off it now.
pub fn get(shop: &Shop) -> Answer {
    let live = shop.sales.all_live();
    let oldest = live.iter().map(|sale| sale.confirmations.lag()).max().unwrap_or(Duration::ZERO);
    metrics::ledger_backlog(oldest, live.iter().map(|sale| sale.confirmations.pending()).sum());
    metrics::epoch(shop.fence.epoch());
    metrics::units_left(shop.current_sale().map_or(0, |sale| sale.projection().units()));
    answer::of_type("text/plain; version=0.0.4; charset=utf-8", StatusCode::OK, metrics::render().into())
}
