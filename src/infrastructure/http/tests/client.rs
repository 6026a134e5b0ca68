//! A client that calls the front without a socket.

use std::net::Ipv4Addr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Method, Request, StatusCode};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::super::platform::front::{Caller, Front};
use super::super::{API, Api, HttpSettings, Surface};
use super::failing_stores::{StoreFault, empty_shop, payments, rooms, shop};

/// An answer.
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Bytes,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    /// Returns the code of a problem.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Returns a header; empty if it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub struct Client(Arc<Front>);

impl Client {
    /// A client of the whole interface over stores that fail like this.
    pub fn new(fault: StoreFault, settings: HttpSettings) -> Self {
        Client::on(fault, settings, Surface::Everything)
    }

    /// A client of one surface.
    pub fn on(fault: StoreFault, settings: HttpSettings, surface: Surface) -> Self {
        Client::of(&API, fault, settings, surface)
    }

    /// A client of another interface.
    pub fn of(api: &'static Api, fault: StoreFault, settings: HttpSettings, surface: Surface) -> Self {
        Client(Arc::new(Front::new(
            api,
            payments(shop(fault)),
            rooms(shop(fault)),
            settings,
            surface,
            CancellationToken::new(),
        )))
    }

    /// A client with default settings over stores that cannot be reached.
    pub fn open() -> Self {
        Client::new(StoreFault::Unreachable, HttpSettings::default())
    }

    /// A client of an instance that has no open sale.
    pub fn without_sale() -> Self {
        let (settings, surface) = (HttpSettings::default(), Surface::Everything);
        Client(Arc::new(Front::new(
            &API,
            payments(empty_shop(StoreFault::Fenced)),
            rooms(empty_shop(StoreFault::Fenced)),
            settings,
            surface,
            CancellationToken::new(),
        )))
    }

    /// Sends a request, with a `Host` header.
    pub async fn send(&self, mut request: Request<Full<Bytes>>) -> Reply {
        request.headers_mut().insert("host", "shop".parse().unwrap());
        self.send_as_it_is(request).await
    }

    pub async fn send_as_it_is(&self, request: Request<Full<Bytes>>) -> Reply {
        let caller = Caller { address: Ipv4Addr::LOCALHOST.into(), is_accepted: true };
        let answer = self.0.answer(caller, request).await;
        let (head, body) = answer.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Reply { status: head.status, headers: head.headers, bytes }
    }

    pub async fn call(&self, method: Method, path: &str) -> Reply {
        self.send(Request::builder().method(method).uri(path).body(Full::default()).unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.call(Method::GET, path).await
    }

    pub async fn post(&self, path: &str, body: &str) -> Reply {
        let request = Request::post(path).header("content-type", "application/json");
        self.send(request.body(Full::from(body.to_owned())).unwrap()).await
    }
}
