//! A shopper's client.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// Speaks to one instance.
#[derive(Clone)]
pub struct Client {
    base: String,
    http: HyperClient<HttpConnector, Full<Bytes>>,
}

/// What came back.
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

    /// Where the instance is.
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

    /// `None` where nobody answers any more. An answer that has begun must be complete.
    pub async fn try_send(&self, request: hyper::http::request::Builder, body: &str) -> Option<Answer> {
        let request = request.body(Full::from(body.to_owned())).expect("a request is well formed");
        let (parts, body) = self.http.request(request).await.ok()?.into_parts();
        let body = body.collect().await.expect("the answer is complete").to_bytes();
        Some(Answer { status: parts.status, headers: parts.headers, body })
    }

    // --- What shoppers do

    /// Checks out one item.
    pub async fn checkout(&self, user: &str, item: &str) -> Answer {
        self.post(&format!("/checkout?user_id={user}&id={item}")).await
    }

    /// Checks out items of which the service has them all. Returns the code.
    pub async fn cart(&self, user: &str, items: &[&str]) -> String {
        let items: Vec<Value> = items.iter().map(|id| serde_json::json!({ "id": id })).collect();
        let answer = self.post_json("/checkout", serde_json::json!({ "user_id": user, "items": items })).await;
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
}

impl Answer {
    /// This status, or the test fails with what came instead.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    /// A problem of this status and code, or the test fails.
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
