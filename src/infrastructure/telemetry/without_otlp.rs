//! Where the feature `otlp` is not built in: no traces are exported, and asking for them is an error.

use hyper::http::request::Parts;
use tokio::runtime::Handle;
use tracing::Span;
use tracing_subscriber::layer::Identity;

use crate::config::TraceConfig;

/// The export of traces, of which there is none.
pub enum Traces {}

/// Why no traces are exported.
#[derive(Debug, thiserror::Error)]
#[error("OTLP_ENDPOINT is set, but this program cannot export traces: build it with `cargo build --features otlp`")]
pub struct TracesError;

impl Traces {
    /// `None` where no endpoint is set.
    pub fn start(config: &TraceConfig, _runtime: &Handle) -> Result<Option<Self>, TracesError> {
        if config.otlp_endpoint.is_some() { Err(TracesError) } else { Ok(None) }
    }

    /// See [`super::init`].
    pub fn layer(&self) -> Identity {
        match *self {}
    }

    /// Exports what has been recorded.
    pub fn finish(self) {
        match self {}
    }
}

/// A request begins.
pub fn began(_request: &Span, _route: &str, _head: &Parts) {}
