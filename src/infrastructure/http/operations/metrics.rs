//! `GET /metrics`: exports the metrics.

use hyper::{Method, StatusCode};

use crate::infrastructure::http::platform::openapi::schema::text;
use crate::infrastructure::http::platform::policy::Audience;
use crate::infrastructure::http::platform::{Description, Endpoint, Policy, answer};
use crate::infrastructure::metrics::render;

use super::OPERATIONS;

/// The text format of Prometheus.
const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/metrics",
    policy: Policy { audience: Audience::Operators, ..Policy::HEALTH },
    describe,
    handler: |context, _request| {
        Box::pin(async { Ok(answer::of_type(MEDIA_TYPE, StatusCode::OK, render(&context.payments))) })
    },
};

fn describe() -> Description {
    Description::new(OPERATIONS, "getMetrics", "Export the metrics", "For Prometheus.").answer_as(
        200,
        MEDIA_TYPE,
        text(),
        "The metrics",
    )
}
