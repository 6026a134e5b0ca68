//! HTTP requests by route, method and status.

use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use hyper::Method;
use metrics::{Counter, Histogram, counter, histogram};

use crate::infrastructure::http::Route;

use super::recorder::metrics;

/// A method as it is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MethodLabel {
    Get,
    Head,
    Post,
    Delete,
    Other,
}

impl MethodLabel {
    const COUNT: usize = 5;

    /// The method, if it is one of ours.
    pub fn of(method: &Method) -> Self {
        match *method {
            Method::GET => MethodLabel::Get,
            Method::HEAD => MethodLabel::Head,
            Method::POST => MethodLabel::Post,
            Method::DELETE => MethodLabel::Delete,
            _ => MethodLabel::Other,
        }
    }

    fn word(self) -> &'static str {
        match self {
            MethodLabel::Get => "GET",
            MethodLabel::Head => "HEAD",
            MethodLabel::Post => "POST",
            MethodLabel::Delete => "DELETE",
            MethodLabel::Other => "other",
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

/// The class of a status by its first digit.
const CLASSES: [&str; 6] = ["other", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Failures are counted from 0: the rate of a series knows nothing of its first value.
const FAILURES: [u16; 2] = [500, 503];

/// Any other series comes to be when it is first needed: most combinations never occur.
struct Table {
    requests: Vec<OnceLock<Counter>>,
    durations: Vec<OnceLock<Histogram>>,
}

static TABLE: LazyLock<Table> = LazyLock::new(Table::new);

impl Table {
    fn new() -> Self {
        let table = Table {
            requests: empty(Route::ALL.len() * MethodLabel::COUNT * STATUSES.len()),
            durations: empty(Route::ALL.len() * CLASSES.len()),
        };
        for route in Route::ALL {
            for method in [Method::GET, Method::HEAD, Method::POST, Method::DELETE] {
                for status in FAILURES.into_iter().filter(|_| route.allows(&method)) {
                    table.requests(route, MethodLabel::of(&method), status);
                }
            }
        }
        table
    }

    fn requests(&self, route: Route, verb: MethodLabel, status: u16) -> &Counter {
        let status = STATUSES.iter().position(|(known, _)| *known == status).unwrap_or(STATUSES.len() - 1);
        let cell = (route as usize * MethodLabel::COUNT + verb as usize) * STATUSES.len() + status;
        let (pattern, method, status) = (route.pattern(), verb.word(), STATUSES[status].1);
        self.requests[cell].get_or_init(
            || counter!("flashsale_http_requests_total", "route" => pattern, "method" => method, "status" => status),
        )
    }

    fn durations(&self, route: Route, status: u16) -> &Histogram {
        let class = Some(usize::from(status / 100)).filter(|class| *class < CLASSES.len()).unwrap_or_default();
        let (pattern, word) = (route.pattern(), CLASSES[class]);
        self.durations[route as usize * CLASSES.len() + class]
            .get_or_init(|| histogram!("flashsale_http_request_duration_seconds", "route" => pattern, "class" => word))
    }
}

fn empty<T>(cells: usize) -> Vec<OnceLock<T>> {
    std::iter::repeat_with(OnceLock::new).take(cells).collect()
}

/// A request that had begun was answered with this status, or left unanswered.
pub fn http_request(route: Route, verb: MethodLabel, status: u16, took: Duration) {
    // Handles made before the recorder is there would count for nobody.
    metrics().in_flight.decrement(1.0);
    TABLE.requests(route, verb, status).increment(1);
    TABLE.durations(route, status).record(took.as_secs_f64());
}

#[cfg(test)]
mod tests {
    use super::super::http_request_begun;
    use super::super::recorder::render;
    use super::*;

    #[test]
    fn each_combination_is_a_series_of_its_own() {
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
    }
}
