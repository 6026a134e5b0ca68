//! Metrics of connections and of requests as such. [`route_metrics`](super::route_metrics) has those by route.

use std::sync::OnceLock;

use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};

use crate::application::shared::StoreError;
use crate::infrastructure::metrics::{self as recorder, Label, StoreErrorKind};

struct Metrics {
    in_flight: Gauge,
    shed: Counter,
    connections: Gauge,
    connections_max: Gauge,
    connections_refused: Counter,
    store_failures: Vec<Counter>,
}

/// Registers the metrics, so that they are exported before the first request. Repeated calls do nothing.
pub fn install() {
    metrics();
}

/// Counts a request as in flight.
pub fn request_begun() {
    metrics().in_flight.increment(1.0);
}

/// Counts a request as no longer in flight.
pub fn request_ended() {
    metrics().in_flight.decrement(1.0);
}

/// Counts a request that was refused because too many were in flight.
pub fn request_shed() {
    metrics().shed.increment(1);
}

/// Counts a connection as open.
pub fn connection_opened() {
    metrics().connections.increment(1.0);
}

/// Counts a connection as no longer open.
pub fn connection_closed() {
    metrics().connections.decrement(1.0);
}

/// Sets the number of connections that may be open on a listener.
pub fn connections_max(connections: usize) {
    metrics().connections_max.set(connections as f64);
}

/// Counts a connection that was refused because too many were open.
pub fn connection_refused() {
    metrics().connections_refused.increment(1);
}

/// Counts a request that a store did not serve.
pub fn store_failure(error: &StoreError) {
    metrics().store_failures[StoreErrorKind::of(error).index()].increment(1);
}

fn metrics() -> &'static Metrics {
    static METRICS: OnceLock<Metrics> = OnceLock::new();
    METRICS.get_or_init(|| {
        recorder::install();
        describe();
        let failures = |kind: StoreErrorKind| counter!("flashsale_store_failures_total", "kind" => kind.word());
        Metrics {
            in_flight: gauge!("flashsale_http_requests_in_flight"),
            shed: counter!("flashsale_http_requests_shed_total"),
            connections: gauge!("flashsale_http_connections"),
            connections_max: gauge!("flashsale_http_connections_max"),
            connections_refused: counter!("flashsale_http_connections_refused_total"),
            store_failures: StoreErrorKind::all().into_iter().map(failures).collect(),
        }
    })
}

fn describe() {
    describe_counter!("flashsale_http_requests_total", "HTTP requests by route, method and status.");
    describe_histogram!(
        "flashsale_http_request_duration_seconds",
        Unit::Seconds,
        "Time to answer an HTTP request, by route and class of status."
    );
    describe_gauge!("flashsale_http_requests_in_flight", "HTTP requests that are being answered.");
    describe_counter!("flashsale_http_requests_shed_total", "HTTP requests refused because too many were in flight.");
    describe_gauge!("flashsale_http_connections", "Open connections.");
    describe_gauge!("flashsale_http_connections_max", "Connections that may be open on a listener.");
    describe_counter!("flashsale_http_connections_refused_total", "Connections refused because too many were open.");
    describe_counter!("flashsale_store_failures_total", "Requests that a store did not serve, by kind of failure.");
}
