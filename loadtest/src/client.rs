//! The HTTP client. Latencies count from the time when a request was due, not from the time when it was sent.

use std::error::Error;
use std::fmt::Write;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER};
use hyper::{Method, StatusCode, Uri};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::api::Problem;
use crate::outcome::{Operation, Outcome, classify};
use crate::recorder::Recorder;

/// Longer than the service's own time limit of any request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// Concurrent requests. Others wait, and their latency includes the wait. The limit is far below the 10,000 connections
/// that the service accepts by default, because the client opens more connections than it uses at a time.
pub const IN_FLIGHT_MAX: usize = 4_000;
/// Shorter than the idle timeout of the service, so that no request uses a connection that the service is closing.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// The wait before a retry if the service names none.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_millis(200);

/// A client of one service, shared by all shoppers.
pub struct Client {
    base: String,
    http: HyperClient<HttpConnector, Full<Bytes>>,
    in_flight: Semaphore,
    recorder: Rc<Recorder>,
}

/// A request to the service.
#[derive(Debug, Clone)]
pub struct Request {
    method: Method,
    path: String,
    body: Option<String>,
    idempotency_key: Option<String>,
    bearer: Option<String>,
}

/// A classified response, or the lack of one.
#[derive(Debug)]
pub struct Response {
    pub outcome: Outcome,
    pub body: Bytes,
    pub problem: Problem,
    retry_after: Option<Duration>,
    headers: HeaderMap,
}

impl Request {
    pub fn get(path: impl Into<String>) -> Self {
        Request { method: Method::GET, path: path.into(), body: None, idempotency_key: None, bearer: None }
    }

    pub fn post(path: impl Into<String>) -> Self {
        Request { method: Method::POST, ..Request::get(path) }
    }

    pub fn json(self, body: String) -> Self {
        Request { body: Some(body), ..self }
    }

    pub fn idempotency_key(self, key: &str) -> Self {
        Request { idempotency_key: Some(key.to_owned()), ..self }
    }

    /// Authorizes the request with this token.
    pub fn bearer(self, token: impl Into<String>) -> Self {
        Request { bearer: Some(token.into()), ..self }
    }
}

impl Response {
    /// Returns true if the service marked the response as a replay.
    pub fn is_replayed(&self) -> bool {
        self.headers.get("idempotent-replayed").is_some_and(|value| value == "true")
    }

    /// Returns the `Location` header.
    pub fn location(&self) -> Result<&str, String> {
        let location = self.headers.get(LOCATION).ok_or("no Location header")?;
        location.to_str().map_err(|_| format!("the Location header {location:?} is not readable"))
    }

    /// Returns the wait that the service asked for, or a short one if it asked for none.
    pub fn retry_after(&self) -> Duration {
        self.retry_after.unwrap_or(RETRY_AFTER_DEFAULT)
    }

    /// Returns the result of a request without a response.
    fn missing() -> Self {
        Response {
            outcome: Outcome::Unexpected,
            body: Bytes::new(),
            problem: Problem::default(),
            retry_after: None,
            headers: HeaderMap::new(),
        }
    }
}

impl Client {
    /// Creates a client of the service at this origin, `http://host:port`.
    pub fn new(base: String, recorder: Rc<Recorder>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let mut builder = HyperClient::builder(TokioExecutor::new());
        let http = builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE_TIMEOUT).build(connector);
        Client { base, http, in_flight: Semaphore::new(IN_FLIGHT_MAX), recorder }
    }

    /// Sends a request of a shopper that was due at `due`. Counts the response, and its latency from then on.
    pub async fn send(&self, operation: Operation, request: &Request, due: Instant) -> Response {
        let exchanged = {
            let _permit = self.in_flight.acquire().await;
            self.exchange(request).await
        };
        let took = due.elapsed();
        let response = match exchanged {
            Ok((status, headers, body)) => {
                // A problem that is not readable has no code. `classify` expects no such response.
                let problem: Problem = match status.is_success() {
                    true => Problem::default(),
                    false => serde_json::from_slice(&body).unwrap_or_default(),
                };
                let outcome = classify(operation, status, &problem.code);
                if outcome == Outcome::Unexpected {
                    let text = format!("{status} {}", String::from_utf8_lossy(&body));
                    self.recorder.record_unexpected(request.describe(&text));
                }
                let retry_after = retry_after(&headers).unwrap_or_else(|error| {
                    self.recorder.record_unexpected(request.describe(&error));
                    None
                });
                Response { outcome, body, problem, retry_after, headers }
            }
            Err(error) => {
                self.recorder.record_unexpected(request.describe(&error));
                Response::missing()
            }
        };
        self.recorder.record_response(operation, response.outcome, took);
        response
    }

    /// Reads the JSON at this path. Not counted, because no shopper asks.
    pub async fn get_json<T: DeserializeOwned>(&self, path: &str) -> Result<T, String> {
        self.read_json(&Request::get(path)).await
    }

    /// Reads the JSON in the response to a request. Not counted, because no shopper asks.
    pub async fn read_json<T: DeserializeOwned>(&self, request: &Request) -> Result<T, String> {
        let (status, _, body) = self.exchange(request).await?;
        match status {
            StatusCode::OK => serde_json::from_slice(&body).map_err(|error| request.describe(&error.to_string())),
            _ => Err(request.describe(&format!("{status} {}", String::from_utf8_lossy(&body)))),
        }
    }

    /// Returns the body at this path, or `None` if the status is 404. Not counted, because no shopper asks.
    pub async fn get_bytes(&self, path: &str) -> Result<Option<Bytes>, String> {
        let (status, _, body) = self.exchange(&Request::get(path)).await?;
        match status {
            StatusCode::OK => Ok(Some(body)),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(format!("GET {path}: {status} {}", String::from_utf8_lossy(&body))),
        }
    }

    /// Sends a request, and returns the status and the JSON of the answer. Not counted.
    pub async fn answer_to(&self, request: &Request) -> Result<(u16, serde_json::Value), String> {
        let (status, _, body) = self.exchange(request).await?;
        Ok((status.as_u16(), serde_json::from_slice(&body).unwrap_or_default()))
    }

    async fn exchange(&self, request: &Request) -> Result<(StatusCode, HeaderMap, Bytes), String> {
        let http_request = self.http_request(request)?;
        let exchanging = async {
            let response = self.http.request(http_request).await.map_err(|error| with_causes(&error))?;
            let (head, body) = response.into_parts();
            let body = body.collect().await.map_err(|error| with_causes(&error))?;
            Ok((head.status, head.headers, body.to_bytes()))
        };
        timeout(REQUEST_TIMEOUT, exchanging)
            .await
            .unwrap_or_else(|_| Err(format!("no response within {REQUEST_TIMEOUT:?}")))
    }

    fn http_request(&self, request: &Request) -> Result<hyper::Request<Full<Bytes>>, String> {
        let uri: Uri =
            format!("{}{}", self.base, request.path).parse().map_err(|error| format!("{}: {error}", request.path))?;
        let mut builder = hyper::Request::builder().method(request.method.clone()).uri(uri);
        if request.body.is_some() {
            builder = builder.header(CONTENT_TYPE, "application/json");
        }
        if let Some(key) = &request.idempotency_key {
            builder = builder.header("idempotency-key", key);
        }
        if let Some(token) = &request.bearer {
            builder = builder.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        builder.body(Full::from(request.body.clone().unwrap_or_default())).map_err(|error| error.to_string())
    }
}

impl Request {
    /// Returns the request and its result in one line, cut to fit into a report.
    fn describe(&self, result: &str) -> String {
        let result: String = result.chars().take(300).collect();
        format!("{} {} -> {result}", self.method, self.path)
    }
}

/// Reads the `Retry-After` header, in seconds.
fn retry_after(headers: &HeaderMap) -> Result<Option<Duration>, String> {
    let Some(value) = headers.get(RETRY_AFTER) else { return Ok(None) };
    let seconds = value.to_str().ok().and_then(|text| text.parse().ok());
    let seconds = seconds.ok_or_else(|| format!("the Retry-After header {value:?} is not a number of seconds"))?;
    Ok(Some(Duration::from_secs(seconds)))
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
