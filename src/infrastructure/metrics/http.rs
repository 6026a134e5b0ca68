//! The metrics of the HTTP interface.

use std::time::Duration;

use ::metrics::{Counter, Gauge, Histogram};
use hyper::Method;
use strum::{IntoStaticStr, VariantArray};

use crate::application::shared::StoreError;
use crate::infrastructure::http::{ProblemCode, Route};

use super::declare::{Metric, Sparse, metrics};
use super::labels::{Label, Labels, StoreErrorKind};

metrics! {
    /// HTTP requests by route, method and status.
    static REQUESTS: Sparse<Counter, (Route, MethodLabel, StatusLabel)> =
        "flashsale_http_requests_total" by "route", "method", "status";

    /// Time to answer an HTTP request, by route and class of the status.
    static REQUEST_DURATION: Sparse<Histogram, (Route, StatusClass)> =
        "flashsale_http_request_duration_seconds" by "route", "class";

    /// HTTP requests that are being answered.
    static IN_FLIGHT: Metric<Gauge> = "flashsale_http_requests_in_flight";

    /// HTTP requests that were refused because too many were in flight.
    static SHED: Metric<Counter> = "flashsale_http_requests_shed_total";

    /// Open connections.
    static CONNECTIONS: Metric<Gauge> = "flashsale_http_connections";

    /// Connections that a listener may have.
    static CONNECTIONS_MAX: Metric<Gauge> = "flashsale_http_connections_max";

    /// Connections that were refused because there were too many.
    static CONNECTIONS_REFUSED: Metric<Counter> = "flashsale_http_connections_refused_total";

    /// Answered checkouts, by outcome.
    static CHECKOUTS: Metric<Counter, Outcome> = "flashsale_checkouts_total" by "outcome";

    /// Answered purchases, by kind (cart, buy_now) and outcome.
    static PURCHASES: Metric<Counter, (PurchaseKind, Outcome)> = "flashsale_purchases_total" by "kind", "outcome";

    /// Units that were acknowledged to their buyer by the first request.
    static UNITS_ACKNOWLEDGED: Metric<Counter> = "flashsale_units_acknowledged_total";

    /// Time from the decision in Redis until the waiting purchase knows of its commit in PostgreSQL.
    static ACKNOWLEDGEMENT_WAIT: Metric<Histogram> = "flashsale_acknowledgement_wait_seconds";

    /// Requests that a store did not serve, by kind of failure.
    static STORE_FAILURES: Metric<Counter, StoreErrorKind> = "flashsale_store_failures_total" by "kind";
}

/// The outcome of a checkout or a purchase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Accepted,
    /// It had been done before and got the same answer.
    Replayed,
    /// It was decided and is not known to be durable yet.
    Confirming,
    /// A store failed after it may have been decided.
    Unknown,
    /// It was not done.
    Refused(ProblemCode),
}

impl Labels for Outcome {
    const COUNT: usize = 4 + ProblemCode::ALL.len();

    fn all() -> Vec<Self> {
        let done = [Outcome::Accepted, Outcome::Replayed, Outcome::Confirming, Outcome::Unknown];
        done.into_iter().chain(ProblemCode::ALL.map(Outcome::Refused)).collect()
    }

    fn index(self) -> usize {
        match self {
            Outcome::Accepted => 0,
            Outcome::Replayed => 1,
            Outcome::Confirming => 2,
            Outcome::Unknown => 3,
            Outcome::Refused(code) => 4 + code as usize,
        }
    }

    fn words(self) -> Vec<&'static str> {
        vec![match self {
            Outcome::Accepted => "accepted",
            Outcome::Replayed => "replayed",
            Outcome::Confirming => "confirming",
            Outcome::Unknown => "unknown",
            Outcome::Refused(code) => code.word(),
        }]
    }
}

/// The way of buying.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum PurchaseKind {
    Cart,
    BuyNow,
}

impl Label for PurchaseKind {}

impl Labels for Route {
    const COUNT: usize = Route::ALL.len();

    fn all() -> Vec<Self> {
        Route::ALL.to_vec()
    }

    fn index(self) -> usize {
        self as usize
    }

    fn words(self) -> Vec<&'static str> {
        vec![self.pattern()]
    }
}

/// The method of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantArray)]
pub enum MethodLabel {
    #[strum(serialize = "GET")]
    Get,
    #[strum(serialize = "HEAD")]
    Head,
    #[strum(serialize = "POST")]
    Post,
    #[strum(serialize = "DELETE")]
    Delete,
    #[strum(serialize = "other")]
    Other,
}

impl Label for MethodLabel {}

impl MethodLabel {
    /// Returns the label of a method.
    pub fn of(method: &Method) -> Self {
        match *method {
            Method::GET => MethodLabel::Get,
            Method::HEAD => MethodLabel::Head,
            Method::POST => MethodLabel::Post,
            Method::DELETE => MethodLabel::Delete,
            _ => MethodLabel::Other,
        }
    }
}

/// Every status that is answered, the frequent ones first. 499 is a client that did not wait.
const STATUSES: [(u16, &str); 22] = [
    (200, "200"),
    (409, "409"),
    (503, "503"),
    (410, "410"),
    (404, "404"),
    (400, "400"),
    (202, "202"),
    (429, "429"),
    (201, "201"),
    (304, "304"),
    (308, "308"),
    (401, "401"),
    (403, "403"),
    (405, "405"),
    (408, "408"),
    (413, "413"),
    (415, "415"),
    (422, "422"),
    (499, "499"),
    (500, "500"),
    (431, "431"),
    (0, "other"),
];

/// The position of a status in [`STATUSES`].
#[derive(Debug, Clone, Copy)]
struct StatusLabel(usize);

impl StatusLabel {
    fn of(status: u16) -> Self {
        StatusLabel(STATUSES.iter().position(|(known, _)| *known == status).unwrap_or(STATUSES.len() - 1))
    }
}

impl Labels for StatusLabel {
    const COUNT: usize = STATUSES.len();

    fn all() -> Vec<Self> {
        (0..STATUSES.len()).map(StatusLabel).collect()
    }

    fn index(self) -> usize {
        self.0
    }

    fn words(self) -> Vec<&'static str> {
        vec![STATUSES[self.0].1]
    }
}

/// The class of a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantArray)]
enum StatusClass {
    #[strum(serialize = "1xx")]
    Informational,
    #[strum(serialize = "2xx")]
    Success,
    #[strum(serialize = "3xx")]
    Redirection,
    #[strum(serialize = "4xx")]
    ClientError,
    #[strum(serialize = "5xx")]
    ServerError,
    #[strum(serialize = "other")]
    Other,
}

impl Label for StatusClass {}

impl StatusClass {
    fn of(status: u16) -> Self {
        match status / 100 {
            1 => StatusClass::Informational,
            2 => StatusClass::Success,
            3 => StatusClass::Redirection,
            4 => StatusClass::ClientError,
            5 => StatusClass::ServerError,
            _ => StatusClass::Other,
        }
    }
}

/// Statuses whose series exist from the start: the rate of a series does not include its first value.
const FAILURES: [u16; 2] = [500, 503];

/// Registers the metrics, and the series of failures.
pub(super) fn register_all() {
    register();
    for route in Route::ALL {
        for method in [Method::GET, Method::HEAD, Method::POST, Method::DELETE] {
            for status in FAILURES.into_iter().filter(|_| route.allows(&method)) {
                REQUESTS.of((route, MethodLabel::of(&method), StatusLabel::of(status)));
            }
        }
    }
}

/// A request has begun.
pub fn http_request_begun() {
    IN_FLIGHT.increment(1.0);
}

/// A request that had begun was answered with this status, or was left unanswered.
pub fn http_request(route: Route, method: MethodLabel, status: u16, took: Duration) {
    IN_FLIGHT.decrement(1.0);
    REQUESTS.of((route, method, StatusLabel::of(status))).increment(1);
    REQUEST_DURATION.of((route, StatusClass::of(status))).record(took.as_secs_f64());
}

/// A request was refused because too many were in flight.
pub fn http_request_shed() {
    SHED.increment(1);
}

/// A connection was opened.
pub fn connection_opened() {
    CONNECTIONS.increment(1.0);
}

/// A connection was closed.
pub fn connection_closed() {
    CONNECTIONS.decrement(1.0);
}

/// Sets the number of connections that a listener may have.
pub fn connections_max(connections: usize) {
    CONNECTIONS_MAX.set(connections as f64);
}

/// A connection was refused because there were too many.
pub fn connection_refused() {
    CONNECTIONS_REFUSED.increment(1);
}

/// A checkout was answered.
pub fn checkout(outcome: Outcome) {
    CHECKOUTS.of(outcome).increment(1);
}

/// A purchase was answered.
pub fn purchase(kind: PurchaseKind, outcome: Outcome) {
    PURCHASES.of((kind, outcome)).increment(1);
}

/// Units were acknowledged to their buyer for the first time, this long after the decision of Redis.
pub fn acknowledged(units: u32, waited: Duration) {
    UNITS_ACKNOWLEDGED.increment(u64::from(units));
    ACKNOWLEDGEMENT_WAIT.record(waited.as_secs_f64());
}

/// A store did not serve a request.
pub fn store_failure(error: &StoreError) {
    STORE_FAILURES.of(StoreErrorKind::of(error)).increment(1);
}

#[cfg(test)]
mod tests {
    use super::super::recorder::render;
    use super::*;

    #[test]
    fn each_combination_is_a_series_of_its_own() {
        register_all();
        for (route, method, status) in
            [(Route::Sale, Method::GET, 200), (Route::Sale, Method::GET, 404), (Route::Unknown, Method::TRACE, 299)]
        {
            http_request_begun();
            http_request(route, MethodLabel::of(&method), status, Duration::from_millis(3));
        }
        let text = render();
        for labels in [
            r#"{route="/sales/{id}",method="GET",status="200"}"#,
            r#"{route="/sales/{id}",method="GET",status="404"}"#,
            r#"{route="unknown",method="other",status="other"}"#,
            r#"{route="/purchase",method="POST",status="503"}"#,
        ] {
            assert!(text.contains(&format!("flashsale_http_requests_total{labels}")), "{labels} is not in {text}");
        }
        assert!(
            text.contains(
                r#"flashsale_http_request_duration_seconds_bucket{route="/sales/{id}",class="4xx",le="0.004"}"#
            ),
            "{text}"
        );
        assert!(text.contains("flashsale_purchases_total{kind=\"cart\",outcome=\"items_sold\"} 0"), "{text}");
    }

    #[test]
    fn every_outcome_is_at_its_index() {
        assert!(Outcome::all().into_iter().enumerate().all(|(place, outcome)| outcome.index() == place));
        assert!(Route::all().into_iter().enumerate().all(|(place, route)| route.index() == place));
    }
}
