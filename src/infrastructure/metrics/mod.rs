//! Metrics: the recorder of this process, the declaration of metrics, and the readings of the shop.
//!
//! Each adapter declares its metrics with [`metrics!`] in its own file `metrics.rs`, next to the enums that are its
//! labels. Labels are enums, so no request can add a series. All shops of a process share one recorder. The state that
//! a shop already keeps is not counted a second time: [`readings`] reads it at each scrape.

mod declare;
mod labels;
mod readings;
mod recorder;

use crate::application::payment::Payments;

pub use ::metrics::{Counter, Gauge, Histogram};

pub use declare::{Declared, Metric, Sparse};
pub use labels::{Label, Labels, StoreErrorKind};
pub use recorder::run_upkeep;

pub(crate) use declare::metrics;

/// Installs the recorder. Does nothing the second time.
pub fn install() {
    recorder::install();
}

/// Returns the text of `GET /metrics`.
pub fn render(payments: &Payments) -> String {
    recorder::render() + &readings::render(payments)
}
