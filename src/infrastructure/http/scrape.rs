//! `GET /metrics`.

use hyper::StatusCode;

use crate::application::Shop;
use crate::infrastructure::metrics;

use super::answer::{self, Answer};

/// Everything that is measured.
pub fn get(shop: &Shop) -> Answer {
    answer::of_type("text/plain; version=0.0.4; charset=utf-8", StatusCode::OK, metrics::render(shop).into())
}
