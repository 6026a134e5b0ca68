//! `GET /metrics`.

use hyper::StatusCode;

use crate::application::sale::Shop;
use crate::infrastructure::metrics;

use super::answer::{self, Answer};

/// The text format of Prometheus.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything that is measured.
pub fn get(shop: &Shop) -> Answer {
    answer::of_type(MEDIA_TYPE, StatusCode::OK, metrics::render(shop).into())
}
