//! The HTTP client of a shopper.

use std::future::Future;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;

use super::PATIENCE;

/// A client of one instance.
#[derive(Clone)]
pub struct Client {
    base: String,
    http: HyperClient<HttpConnector, Full<Bytes>>,
}

/// A response with its whole body.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Client {
    pub fn new(base: String) -> Self {
        Client { base, http: HyperClient::builder(TokioExecutor::new()).build_http() }
    }

    /// The URL of the instance.
    pub fn base(&self) -> &str {
        &self.base
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path), "").await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path), "").await
    }

    pub async fn post(&self, path: &str) -> Answer {
        self.send(self.request(Method::POST, path), "").await
    }

    pub async fn post_json(&self, path: &str, body: Value) -> Answer {
        self.post_text(path, &body.to_string()).await
    }

    pub async fn post_text(&self, path: &str, body: &str) -> Answer {
        self.send(self.request(Method::POST, path).header("content-type", "application/json"), body).await
    }

    pub fn request(&self, method: Method, path: &str) -> hyper::http::request::Builder {
        Request::builder().method(method).uri(format!("{}{path}", self.base))
    }

    pub async fn send(&self, request: hyper::http::request::Builder, body: &str) -> Answer {
        self.try_send(request, body).await.expect("the service answers")
    }

    /// Returns `None` if the service cannot be reached. An answer that has begun must be complete.
    pub async fn try_send(&self, request: hyper::http::request::Builder, body: &str) -> Option<Answer> {
        let request = request.body(Full::from(body.to_owned())).expect("a request is well formed");
        let (parts, body) = self.http.request(request).await.ok()?.into_parts();
        let body = body.collect().await.expect("the answer is complete").to_bytes();
        Some(Answer { status: parts.status, headers: parts.headers, body })
    }

    // --- Requests of shoppers

    /// Checks out one item.
    pub async fn checkout(&self, user: &str, item: &str) -> Answer {
        self.post(&format!("/checkout?user_id={user}&id={item}")).await
    }

    /// Checks out available items. Returns the code.
    pub async fn cart(&self, user: &str, items: &[&str]) -> String {
        let items: Vec<Value> = items.iter().map(|id| serde_json::json!({ "id": id })).collect();
        let body = serde_json::json!({ "user_id": user, "items": items });
        let answer = retrying(|| self.post_json("/checkout", body.clone())).await;
        answer.expect(200).json()["code"].as_str().expect("a cart has a code").to_owned()
    }

    /// Buys a cart.
    pub async fn purchase(&self, code: &str) -> Answer {
        self.post(&format!("/purchase?code={code}")).await
    }

    /// Buys one unit of an item without a cart.
    pub async fn buy_now(&self, user: &str, request: &str, item: &str) -> Answer {
        let body = serde_json::json!({ "request_id": request, "user_id": user, "item_id": item, "quantity": 1 });
        self.post_json("/api/purchase", body).await
    }

    /// Buys one unit of an item without a cart. Returns true if this or an earlier call bought it.
    pub async fn has_bought(&self, user: &str, request: &str, item: &str) -> bool {
        let answer = self.buy_now(user, request, item).await;
        answer.status == 200 || (answer.status == 409 && answer.json()["code"] == "duplicate_request")
    }
}

/// Reads a path again and again until the result is dropped.
pub fn keep_reading(client: &Client, path: &'static str) -> AbortOnDropHandle<()> {
    let client = client.clone();
    AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            let answer = client.get(path).await;
            assert!([200, 503].contains(&answer.status.as_u16()), "{answer:?}");
            if answer.status == 503 {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }))
}

/// Sends a request again while the answer is 503, as a real client does. Each 503 must have a `Retry-After`, which is
/// not waited for.
pub async fn retrying<F: Future<Output = Answer>>(send: impl Fn() -> F) -> Answer {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = send().await;
        if answer.status != 503 {
            return answer;
        }
        assert!(answer.header("retry-after").is_some(), "a 503 without Retry-After: {answer:?}");
        assert!(Instant::now() < deadline, "503 for {PATIENCE:?}: {answer:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Answer {
    /// Fails unless the status is this one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    /// Fails unless this is a problem with this status and code.
    #[track_caller]
    pub fn expect_problem(self, status: u16, code: &str) -> Value {
        let answer = self.expect(status);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        let problem = answer.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status);
        problem
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("a header is text"))
    }
}
