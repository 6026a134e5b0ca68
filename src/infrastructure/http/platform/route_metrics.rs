//! Metrics of the requests for one route, by method and status.

use std::sync::OnceLock;
use std::time::Duration;

use hyper::Method;
use metrics::{Counter, Histogram, Unit, counter, describe_counter, describe_histogram, histogram};

use crate::infrastructure::metrics::install;

const REQUESTS: &str = "flashsale_http_requests_total";
const DURATION: &str = "flashsale_http_request_duration_seconds";

/// A method as a label.
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
const STATUSES: [(u16, &str); 23] = [
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
    (307, "307"),
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

/// Failures are exported from 0, because the rate of a series ignores its first value.
const FAILURES: [u16; 2] = [500, 503];

/// The series of one route. Each is registered when it is first needed, because most combinations never occur.
pub struct RouteMetrics {
    pattern: &'static str,
    requests: Box<[OnceLock<Counter>]>,
    durations: [OnceLock<Histogram>; CLASSES.len()],
}

impl RouteMetrics {
    /// The series of the route with this pattern, which allows these methods.
    pub fn new<'a>(pattern: &'static str, methods: impl Iterator<Item = &'a Method>) -> Self {
        describe();
        let requests = std::iter::repeat_with(OnceLock::new).take(MethodLabel::COUNT * STATUSES.len()).collect();
        let route = RouteMetrics { pattern, requests, durations: [const { OnceLock::new() }; CLASSES.len()] };
        for method in methods.map(MethodLabel::of) {
            for status in FAILURES {
                route.requests(method, status);
            }
        }
        route
    }

    /// Counts a request that ended with this status after this time.
    pub fn record(&self, method: MethodLabel, status: u16, elapsed: Duration) {
        self.requests(method, status).increment(1);
        self.durations(status).record(elapsed.as_secs_f64());
    }

    fn requests(&self, method: MethodLabel, status: u16) -> &Counter {
        let status = STATUSES.iter().position(|(known, _)| *known == status).unwrap_or(STATUSES.len() - 1);
        let (route, method_word, status_word) = (self.pattern, method.word(), STATUSES[status].1);
        self.requests[method as usize * STATUSES.len() + status]
            .get_or_init(|| counter!(REQUESTS, "route" => route, "method" => method_word, "status" => status_word))
    }

    fn durations(&self, status: u16) -> &Histogram {
        let class = Some(usize::from(status / 100)).filter(|class| *class < CLASSES.len()).unwrap_or_default();
        let (route, word) = (self.pattern, CLASSES[class]);
        self.durations[class].get_or_init(|| histogram!(DURATION, "route" => route, "class" => word))
    }
}

fn describe() {
    install();
    describe_counter!(REQUESTS, "HTTP requests by route, method and status.");
    describe_histogram!(DURATION, Unit::Seconds, "Time to answer an HTTP request, by route and class of status.");
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn each_combination_is_a_series_of_its_own() {
        install();
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            let sale = RouteMetrics::new("/sales/{id}", [Method::GET, Method::DELETE].iter());
            let unknown = RouteMetrics::new("unknown", [].iter());
            for status in [200, 200, 404] {
                sale.record(MethodLabel::of(&Method::GET), status, Duration::from_millis(3));
            }
            unknown.record(MethodLabel::of(&Method::TRACE), 299, Duration::from_millis(3));
        });
        let text = recorder.handle().render();
        for labels in [
            r#"{route="/sales/{id}",method="GET",status="200"} 2"#,
            r#"{route="/sales/{id}",method="GET",status="404"} 1"#,
            r#"{route="/sales/{id}",method="DELETE",status="503"} 0"#,
            r#"{route="unknown",method="other",status="other"} 1"#,
        ] {
            assert!(text.contains(&format!("flashsale_http_requests_total{labels}")), "{labels} is not in {text}");
        }
        for labels in [r#"{route="/sales/{id}",class="4xx""#, r#"{route="unknown",class="2xx""#] {
            assert!(text.contains(&format!("flashsale_http_request_duration_seconds{labels}")), "{text}");
        }
    }
}
