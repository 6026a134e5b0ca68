//! A build without the feature `otlp`: no traces are exported, and setting OTLP_ENDPOINT is an error.

use hyper::http::request::Parts;
use tokio::runtime::Handle;
use tracing::Span;
use tracing_subscriber::layer::Identity;

use super::TraceConfig;

/// The export of traces. This build has none.
pub enum Traces {}

/// A failure to set up the export of traces.
#[derive(Debug, thiserror::Error)]
#[error("OTLP_ENDPOINT is set, but this program cannot export traces: build it with `cargo build --features otlp`")]
pub struct TracesError;

impl Traces {
    /// Returns `None` if no endpoint is set, and fails if one is.
    pub fn start(config: &TraceConfig, _runtime: &Handle) -> Result<Option<Self>, TracesError> {
        if config.otlp_endpoint.is_some() { Err(TracesError) } else { Ok(None) }
    }

    /// Returns a layer that records spans.
    pub fn layer(&self) -> Identity {
        match *self {}
    }

    /// Exports what has been recorded.
    pub fn finish(self) {
        match self {}
    }
}

/// Notes that a request begins.
pub fn began(_request: &Span, _route: &str, _head: &Parts) {}
