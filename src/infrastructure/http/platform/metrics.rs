//! Metrics of connections and of requests as such. [`route_metrics`](super::route_metrics) has those by route.

use crate::application::shared::StoreError;
use crate::infrastructure::metrics::{Counter, Gauge, Label, Metric, StoreErrorKind, metrics};
use crate::infrastructure::tokens::TokenError;

use super::policy::Class;

metrics! {
    /// HTTP requests that are being answered.
    static IN_FLIGHT: Metric<Gauge> = "flashsale_http_requests_in_flight";

    /// HTTP requests that were refused because too many of their class were in flight, by class.
    static SHED: Metric<Counter, Class> = "flashsale_http_requests_shed_total" by "class";

    /// Open connections.
    static CONNECTIONS: Metric<Gauge> = "flashsale_http_connections";

    /// Connections that a listener may have.
    static CONNECTIONS_MAX: Metric<Gauge> = "flashsale_http_connections_max";

    /// Connections that were refused because there were too many.
    static CONNECTIONS_REFUSED: Metric<Counter> = "flashsale_http_connections_refused_total";

    /// Connections that were refused because their address had too many.
    static ADDRESSES_REFUSED: Metric<Counter> = "flashsale_http_address_connections_refused_total";

    /// Tokens of users that were refused, by reason.
    static TOKENS_REFUSED: Metric<Counter, TokenError> = "flashsale_tokens_refused_total" by "reason";

    /// Open streams of events.
    static STREAMS: Metric<Gauge> = "flashsale_streams";

    /// Streams that a listener may have.
    static STREAMS_MAX: Metric<Gauge> = "flashsale_streams_max";

    /// Streams that were refused because there were too many.
    static STREAMS_REFUSED: Metric<Counter> = "flashsale_streams_refused_total";

    /// Requests that a store did not serve, by kind of failure.
    static STORE_FAILURES: Metric<Counter, StoreErrorKind> = "flashsale_store_failures_total" by "kind";
}

impl Label for Class {}
impl Label for TokenError {}

/// Counts a request as in flight.
pub fn request_begun() {
    IN_FLIGHT.increment(1.0);
}

/// Counts a request as no longer in flight.
pub fn request_ended() {
    IN_FLIGHT.decrement(1.0);
}

/// Counts a request that was refused because too many of its class were in flight.
pub fn request_shed(class: Class) {
    SHED.of(class).increment(1);
}

/// Counts a connection as open.
pub fn connection_opened() {
    CONNECTIONS.increment(1.0);
}

/// Counts a connection as no longer open.
pub fn connection_closed() {
    CONNECTIONS.decrement(1.0);
}

/// Sets the number of connections that may be open on a listener.
pub fn connections_max(connections: usize) {
    CONNECTIONS_MAX.set(connections as f64);
}

/// Counts a connection that was refused because too many were open.
pub fn connection_refused() {
    CONNECTIONS_REFUSED.increment(1);
}

/// Counts a connection that was refused because its address had too many open.
pub fn address_refused() {
    ADDRESSES_REFUSED.increment(1);
}

/// Counts a token that was refused.
pub fn token_refused(error: TokenError) {
    TOKENS_REFUSED.of(error).increment(1);
}

/// Sets the number of streams that may be open on a listener.
pub fn streams_max(streams: usize) {
    STREAMS_MAX.set(streams as f64);
}

/// Counts a stream as open.
pub fn stream_opened() {
    STREAMS.increment(1.0);
}

/// Counts a stream as no longer open.
pub fn stream_closed() {
    STREAMS.decrement(1.0);
}

/// Counts a stream that was refused because there were too many.
pub fn stream_refused() {
    STREAMS_REFUSED.increment(1);
}

/// Counts a request that a store did not serve.
pub fn store_failure(error: &StoreError) {
    STORE_FAILURES.of(StoreErrorKind::of(error)).increment(1);
}
