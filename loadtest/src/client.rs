//! Asking the service. Latencies count from when a request was due, not from when this client got round to it.

use std::error::Error;
use std::fmt::Write;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::api::Problem;
use crate::outcome::{Operation, Outcome, judge};
use crate::recorder::Recorder;

/// Longer than the service takes for any request by its own rules.
const PATIENCE: Duration = Duration::from_secs(15);
/// Requests that may be on their way at once. Who finds no place waits, and the wait counts. Well below the 10,000
/// connections that the service serves by default, since more connections are opened than are needed in the end.
pub const IN_FLIGHT_MAX: usize = 4_000;
/// Shorter than the service keeps an idle connection, so that none is used while it is being closed.
const IDLE: Duration = Duration::from_secs(30);

/// A client of one service, as many shoppers share it.
pub struct Client {
    base: String,
    http: HyperClient<HttpConnector, Full<Bytes>>,
    in_flight: Semaphore,
    recorder: Rc<Recorder>,
}

/// A request to be.
#[derive(Debug, Clone)]
pub struct Ask {
    method: Method,
    path: String,
    body: Option<String>,
    idempotency_key: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub outcome: Outcome,
    pub body: Bytes,
    pub problem: Problem,
    headers: HeaderMap,
}

impl Ask {
    pub fn get(path: impl Into<String>) -> Self {
        Ask { method: Method::GET, path: path.into(), body: None, idempotency_key: None }
    }

    pub fn post(path: impl Into<String>) -> Self {
        Ask { method: Method::POST, ..Ask::get(path) }
    }

    pub fn json(self, body: String) -> Self {
        Ask { body: Some(body), ..self }
    }

    pub fn idempotency_key(self, key: &str) -> Self {
        Ask { idempotency_key: Some(key.to_owned()), ..self }
    }
}

impl Answer {
    /// The answer was given before.
    pub fn is_replayed(&self) -> bool {
        self.headers.get("idempotent-replayed").is_some_and(|value| value == "true")
    }

    /// Where to ask on.
    pub fn location(&self) -> Option<&str> {
        self.headers.get(LOCATION)?.to_str().ok()
    }

    /// How long the service asks to wait; a moment where it does not say.
    pub fn retry_after(&self) -> Duration {
        let seconds = self.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        seconds.map_or(Duration::from_millis(200), Duration::from_secs)
    }

    fn none() -> Self {
        Answer {
            outcome: Outcome::Unexpected,
            body: Bytes::new(),
            problem: Problem::default(),
            headers: HeaderMap::new(),
        }
    }
}

impl Client {
    /// A client of the service at this origin, `http://host:port`.
    pub fn new(base: String, recorder: Rc<Recorder>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let mut builder = HyperClient::builder(TokioExecutor::new());
        let http = builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).build(connector);
        Client { base, http, in_flight: Semaphore::new(IN_FLIGHT_MAX), recorder }
    }

    /// Asks on behalf of a shopper, who wanted to at the time `due`. Counts the answer, and how long it took since.
    pub async fn ask(&self, operation: Operation, ask: &Ask, due: Instant) -> Answer {
        let sent = {
            let _place = self.in_flight.acquire().await;
            self.send(ask).await
        };
        let took = due.elapsed();
        let answer = match sent {
            Ok((status, headers, body)) => {
                let problem: Problem = match status.is_success() {
                    true => Problem::default(),
                    false => serde_json::from_slice(&body).unwrap_or_default(),
                };
                let outcome = judge(operation, status, &problem.code);
                if outcome == Outcome::Unexpected {
                    self.recorder.unexpected(ask.told(&format!("{status} {}", String::from_utf8_lossy(&body))));
                }
                Answer { outcome, body, problem, headers }
            }
            Err(error) => {
                self.recorder.unexpected(ask.told(&error));
                Answer::none()
            }
        };
        self.recorder.answered(operation, answer.outcome, took);
        answer
    }

    /// Reads what is at this path, without counting it: not on behalf of a shopper.
    pub async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, String> {
        let (status, _, body) = self.send(&Ask::get(path)).await?;
        match status {
            StatusCode::OK => serde_json::from_slice(&body).map_err(|error| format!("GET {path}: {error}")),
            _ => Err(format!("GET {path}: {status} {}", String::from_utf8_lossy(&body))),
        }
    }

    /// The bytes at this path, if the service has any, without counting it.
    pub async fn read_bytes(&self, path: &str) -> Result<Option<Bytes>, String> {
        let (status, _, body) = self.send(&Ask::get(path)).await?;
        match status {
            StatusCode::OK => Ok(Some(body)),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(format!("GET {path}: {status} {}", String::from_utf8_lossy(&body))),
        }
    }

    async fn send(&self, ask: &Ask) -> Result<(StatusCode, HeaderMap, Bytes), String> {
        let request = self.request(ask)?;
        let exchange = async {
            let answer = self.http.request(request).await.map_err(|error| with_causes(&error))?;
            let (head, body) = answer.into_parts();
            let body = body.collect().await.map_err(|error| with_causes(&error))?;
            Ok((head.status, head.headers, body.to_bytes()))
        };
        timeout(PATIENCE, exchange).await.unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}")))
    }

    fn request(&self, ask: &Ask) -> Result<Request<Full<Bytes>>, String> {
        let uri: Uri =
            format!("{}{}", self.base, ask.path).parse().map_err(|error| format!("{}: {error}", ask.path))?;
        let mut request = Request::builder().method(ask.method.clone()).uri(uri);
        if ask.body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(key) = &ask.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        request.body(Full::from(ask.body.clone().unwrap_or_default())).map_err(|error| error.to_string())
    }
}

impl Ask {
    /// The request and what became of it, short enough for a report.
    fn told(&self, what: &str) -> String {
        let what: String = what.chars().take(300).collect();
        format!("{} {} -> {what}", self.method, self.path)
    }
}

fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let _written = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}
