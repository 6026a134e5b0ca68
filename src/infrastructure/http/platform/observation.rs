//! Counts, times and traces requests.

use std::time::Instant;

use hyper::StatusCode;
use hyper::header::HeaderValue;
use hyper::http::request::Parts;
use tracing::Span;
use tracing::field::Empty;

use crate::infrastructure::telemetry;

use super::metrics;
use super::problem_code::ProblemCode;
use super::request_id;
use super::route_metrics::MethodLabel;
use super::router::Route;

/// The status under which a request is counted whose client did not wait for the answer.
const CLIENT_GONE: u16 = 499;

/// One request, counted when it ends, however it ends. A streamed answer ends its request with its head.
pub struct Observation<'a> {
    route: &'a Route,
    method: MethodLabel,
    begun: Instant,
    status: Option<StatusCode>,
    span: Span,
}

impl<'a> Observation<'a> {
    /// Begins to observe a request, with a span if it is to be traced.
    pub fn begin(route: &'a Route, head: &Parts, request_id: &HeaderValue, is_traced: bool) -> Self {
        metrics::request_begun();
        let span = if is_traced { span(route.pattern, head, request_id) } else { Span::none() };
        Observation { route, method: MethodLabel::of(&head.method), begun: Instant::now(), status: None, span }
    }

    /// Returns the span of everything that is done for the request.
    pub fn span(&self) -> Span {
        self.span.clone()
    }

    /// Notes that the answer is a problem with this code.
    pub fn refused(&self, code: ProblemCode) {
        self.span.record("problem", code.word());
    }

    /// Ends the request with this status.
    pub fn answered(mut self, status: StatusCode) {
        self.status = Some(status);
    }
}

/// Makes the span whose fields every log line about the request carries.
fn span(pattern: &'static str, head: &Parts, request_id: &HeaderValue) -> Span {
    let span = tracing::debug_span!(
        "request",
        request_id = %request_id::text(request_id),
        method = %head.method,
        route = pattern,
        status = Empty,
        problem = Empty,
        otel.name = Empty,
        otel.kind = Empty,
        otel.status_code = Empty,
    );
    telemetry::began(&span, pattern, head);
    span
}

impl Drop for Observation<'_> {
    fn drop(&mut self) {
        let status = match self.status {
            Some(status) => status.as_u16(),
            None if std::thread::panicking() => StatusCode::INTERNAL_SERVER_ERROR.as_u16(),
            None => CLIENT_GONE,
        };
        let elapsed = self.begun.elapsed();
        metrics::request_ended();
        self.route.metrics.record(self.method, status, elapsed);
        self.span.record("status", status);
        if status >= 500 {
            self.span.record("otel.status_code", "ERROR");
        }
        if self.span.is_disabled() {
            return;
        }
        let _entered = self.span.enter();
        tracing::debug!(took_ms = elapsed.as_micros() as f64 / 1e3, "ended");
    }
}
