//! `GET /metrics`.

use hyper::StatusCode;

use crate::application::Shop;
use crate::infrastructure::metrics;

use super::answer::{self, Answer};

/// Everything that is measured. What can be read off the shop is read off it now.
pub fn get(shop: &Shop) -> Answer {
    metrics::units_left(shop.current_sale().map_or(0, |sale| sale.projection().units()));
    metrics::sold_filter_refusals(shop.refusals.filtered());
    answer::of_type("text/plain; version=0.0.4; charset=utf-8", StatusCode::OK, metrics::render().into())
}
