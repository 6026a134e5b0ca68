//! Export of traces to an OpenTelemetry collector: protocol buffers over HTTP, in batches, from a separate thread.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hyper::http::request::Parts;
use hyper::{Request, Response};
use opentelemetry::KeyValue;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_http::{HeaderExtractor, HttpClient, HttpError};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tokio::runtime::Handle;
use tracing::level_filters::LevelFilter;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use crate::domain::shared::limits::LEDGER_BATCH;

use super::TraceConfig;

/// Longest time for the collector to take one batch.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest time to export the last batches when the program ends.
const FINISH_TIMEOUT: Duration = Duration::from_secs(3);

/// The export of traces.
pub struct Traces {
    provider: SdkTracerProvider,
}

/// A failure to set up the export of traces.
#[derive(Debug, thiserror::Error)]
#[error("traces cannot be exported: check OTLP_ENDPOINT")]
pub struct TracesError(#[from] ExporterBuildError);

impl Traces {
    /// Starts to export to the endpoint on this runtime. Returns `None` if no endpoint is set.
    pub fn start(config: &TraceConfig, runtime: &Handle) -> Result<Option<Self>, TracesError> {
        let Some(endpoint) = &config.otlp_endpoint else { return Ok(None) };
        let client = HyperClient::with_default_connector(EXPORT_TIMEOUT, None);
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(OnRuntime { client, runtime: runtime.clone() })
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .with_timeout(EXPORT_TIMEOUT)
            .build()?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            // A caller that sends a trace has decided whether it is recorded.
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.otlp_sample))))
            // A batch of the ledger writer has one event for each entry.
            .with_max_events_per_span(LEDGER_BATCH as u32)
            .with_resource(
                Resource::builder()
                    .with_service_name(env!("CARGO_PKG_NAME"))
                    .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
                    .build(),
            )
            .build();
        Ok(Some(Traces { provider }))
    }

    /// Returns a layer that records spans, independent of the log filter.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> impl Layer<S> + use<S> {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer(env!("CARGO_PKG_NAME")))
            .with_filter(Targets::new().with_target(env!("CARGO_PKG_NAME"), LevelFilter::DEBUG))
    }

    /// Exports what has been recorded, for at most [`FINISH_TIMEOUT`].
    pub fn finish(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(FINISH_TIMEOUT) {
            tracing::warn!(%error, "the last traces were not exported");
        }
    }
}

/// Notes that a request begins: it joins the trace that its caller names in `traceparent`.
pub fn began(request: &Span, route: &str, head: &Parts) {
    if request.is_disabled() {
        return;
    }
    let caller = TraceContextPropagator::new().extract(&HeaderExtractor(&head.headers));
    // Fails for a span that is only logged, not recorded.
    if request.set_parent(caller).is_ok() {
        request.record("otel.name", tracing::field::display(format_args!("{} {route}", head.method)));
        request.record("otel.kind", "server");
    }
}

/// Sends on a tokio runtime: the exporting thread belongs to none, and a hyper client needs one.
struct OnRuntime {
    client: HyperClient,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for OnRuntime {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        self.runtime.spawn(async move { client.send_bytes(request).await }).await?
    }
}

impl fmt::Debug for OnRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.fmt(f)
    }
}
