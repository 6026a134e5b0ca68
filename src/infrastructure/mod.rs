//! The adapters: implementations of the application's ports, and the interfaces to the outside.

pub mod background;
mod backoff;
pub mod http;
pub mod local;
pub mod metrics;
pub mod open_files;
pub mod postgres;
pub mod redis;
pub mod telemetry;

/// Registers every metric, so that all series exist from the start. Does nothing the second time.
pub fn register_metrics() {
    metrics::install();
    background::metrics::register();
    postgres::metrics::register();
    redis::metrics::register();
}
