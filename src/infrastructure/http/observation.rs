//! Counting, timing and tracing of requests.

use std::time::Instant;

use hyper::StatusCode;
use hyper::http::request::Parts;
use tracing::Span;
use tracing::field::Empty;

use crate::infrastructure::metrics::{self, MethodLabel};
use crate::infrastructure::telemetry;

use super::code::ProblemCode;
use super::request_id;
use super::router::Route;

/// What a client that does not wait for its answer is counted as.
const NOBODY_WAITED: u16 = 499;

/// One request, counted when it ends, however it ends.
pub struct Observation {
    route: Route,
    verb: MethodLabel,
    begun: Instant,
    status: Option<StatusCode>,
    span: Span,
}

impl Observation {
    /// The request begins.
    pub fn begin(route: Route, head: &Parts) -> Self {
        metrics::http_request_begun();
        let span = if route.is_operational() { Span::none() } else { span(route, head) };
        Observation { route, verb: MethodLabel::of(&head.method), begun: Instant::now(), status: None, span }
    }

    /// Around all that is done about the request.
    pub fn span(&self) -> Span {
        self.span.clone()
    }

    /// The request is answered with a problem of this code.
    pub fn refused(&self, code: ProblemCode) {
        self.span.record("problem", code.word());
    }

    /// The request is answered.
    pub fn answered(mut self, status: StatusCode) {
        self.status = Some(status);
    }
}

/// What every line about the request says, and what a trace of it begins with.
fn span(route: Route, head: &Parts) -> Span {
    let span = tracing::debug_span!(
        "request",
        request_id = %request_id::text(head.headers.get(request_id::X_REQUEST_ID)),
        method = %head.method,
        route = route.pattern(),
        status = Empty,
        problem = Empty,
        otel.name = Empty,
        otel.kind = Empty,
        otel.status_code = Empty,
    );
    telemetry::began(&span, route.pattern(), head);
    span
}

impl Drop for Observation {
    fn drop(&mut self) {
        let status = match self.status {
            Some(status) => status.as_u16(),
            None if std::thread::panicking() => StatusCode::INTERNAL_SERVER_ERROR.as_u16(),
            None => NOBODY_WAITED,
        };
        let took = self.begun.elapsed();
        metrics::http_request(self.route, self.verb, status, took);
        self.span.record("status", status);
        if status >= 500 {
            self.span.record("otel.status_code", "ERROR");
        }
        if self.span.is_disabled() {
            return;
        }
        let _entered = self.span.enter();
        tracing::debug!(took_ms = took.as_micros() as f64 / 1e3, "ended");
    }
}
