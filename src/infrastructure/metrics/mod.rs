//! Metrics: the recorder of this process, the declaration of metrics, and the readings of the shop.
//!
//! Each adapter declares its metrics with [`metrics!`] in its own file `metrics.rs`, next to the enums that are its
//! labels. Labels are enums, so no request can add a series. All shops of a process share one recorder. The state that
//! a shop already keeps is not counted a second time: [`readings`] reads it at each scrape.

mod declare;
mod http;
mod labels;
mod readings;
mod recorder;

use crate::application::sale::Shop;

pub use ::metrics::{Counter, Gauge, Histogram};

pub use declare::{Declared, Metric, Sparse};
pub use http::{
    MethodLabel, Outcome, PurchaseKind, acknowledged, checkout, connection_closed, connection_opened,
    connection_refused, connections_max, http_request, http_request_begun, http_request_shed, purchase, store_failure,
};
pub use labels::{Label, Labels, StoreErrorKind};
pub use recorder::run_upkeep;

pub(crate) use declare::metrics;

/// Installs the recorder and registers the metrics of this module. Does nothing the second time.
pub fn install() {
    recorder::install();
    http::register_all();
}

/// Returns the text of `GET /metrics`.
pub fn render(shop: &Shop) -> String {
    recorder::render() + &readings::render(shop)
}
