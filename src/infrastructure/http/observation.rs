//! Counting and timing of requests.

use std::time::Instant;

use hyper::{Method, StatusCode};

use crate::infrastructure::metrics::{self, Verb};

use super::router::Route;

/// What a client that does not wait for its answer is counted as.
const NOBODY_WAITED: u16 = 499;

/// One request, counted when it ends, however it ends.
pub struct Observation {
    route: Route,
    verb: Verb,
    begun: Instant,
    status: Option<StatusCode>,
}

impl Observation {
    /// The request begins.
    pub fn begin(route: Route, method: &Method) -> Self {
        metrics::http_request_begun();
        Observation { route, verb: Verb::of(method), begun: Instant::now(), status: None }
    }

    /// The request is answered.
    pub fn answered(mut self, status: StatusCode) {
        self.status = Some(status);
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        let status = match self.status {
            Some(status) => status.as_u16(),
            None if std::thread::panicking() => StatusCode::INTERNAL_SERVER_ERROR.as_u16(),
            None => NOBODY_WAITED,
        };
        metrics::http_request(self.route, self.verb, status, self.begun.elapsed());
    }
}
