//! A receiver of webhooks.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;

/// A receiver on a free port.
pub struct WebhookReceiver {
    pub url: String,
    received: Arc<Mutex<Vec<Webhook>>>,
}

/// A webhook as it was received.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// The header `Payment-Signature`.
    pub signature: String,
    pub body: Bytes,
}

impl WebhookReceiver {
    /// A receiver that acknowledges everything.
    pub async fn start() -> Self {
        Self::answering(|_| 200).await
    }

    /// A receiver that answers the webhook with this number, from 0, with a status.
    pub async fn answering(status: fn(usize) -> u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}/payments/webhook", listener.local_addr().expect("a listener has an address"));
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = received.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let kept = kept.clone();
                let service = service_fn(move |request| receive(request, kept.clone(), status));
                let serving =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(serving);
            }
        });
        WebhookReceiver { url, received }
    }

    pub fn received(&self) -> Vec<Webhook> {
        self.received.lock().expect("no thread panicked").clone()
    }

    /// Returns the types of the events of an order, in the order of their arrival.
    pub fn of_order(&self, order: &str) -> Vec<String> {
        let events = self.received().into_iter().map(|webhook| webhook.json());
        let events = events.filter(|event| event["payment_intent"]["order_id"] == order);
        events.map(|event| event["type"].as_str().expect("an event has a type").to_owned()).collect()
    }
}

impl Webhook {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a webhook is JSON")
    }
}

async fn receive(
    request: Request<Incoming>,
    received: Arc<Mutex<Vec<Webhook>>>,
    status: fn(usize) -> u16,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    assert_eq!((head.method.as_str(), head.uri.path()), ("POST", "/payments/webhook"));
    let signature = head.headers["payment-signature"].to_str().expect("a header is text").to_owned();
    let body = body.collect().await.expect("the body is complete").to_bytes();
    let mut received = received.lock().expect("no thread panicked");
    let status = status(received.len());
    received.push(Webhook { signature, body });
    Ok(Response::builder().status(status).body(Full::default()).expect("an answer is well formed"))
}
