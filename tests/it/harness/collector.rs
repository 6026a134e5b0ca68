//! A trace collector: receives OTLP over HTTP and keeps the spans.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// A collector on a free port.
pub struct Collector {
    pub endpoint: String,
    spans: Arc<Mutex<Vec<Span>>>,
}

/// The parts of a span that tests read.
#[derive(Debug, Clone, Default)]
pub struct Span {
    pub trace: Vec<u8>,
    pub id: Vec<u8>,
    pub parent: Vec<u8>,
    pub name: String,
    /// The text attributes of the span and of its resource.
    pub attributes: HashMap<String, String>,
    /// The attributes of each event.
    pub events: Vec<HashMap<String, String>>,
}

impl Collector {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let endpoint = format!("http://{}", listener.local_addr().expect("a listener has an address"));
        let spans = Arc::new(Mutex::new(Vec::new()));
        let kept = spans.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let kept = kept.clone();
                let service = service_fn(move |request| receive(request, kept.clone()));
                let serving =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(serving);
            }
        });
        Collector { endpoint, spans }
    }

    /// Returns the spans received so far.
    pub fn spans(&self) -> Vec<Span> {
        self.spans.lock().expect("no thread panicked").clone()
    }
}

async fn receive(
    request: Request<Incoming>,
    spans: Arc<Mutex<Vec<Span>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    assert_eq!((request.method(), request.uri().path()), (&Method::POST, "/v1/traces"));
    assert_eq!(request.headers()["content-type"], "application/x-protobuf");
    let body = request.into_body().collect().await.expect("the body is complete").to_bytes();
    spans.lock().expect("no thread panicked").extend(parse(&body));
    Ok(Response::default())
}

/// Reads an `ExportTraceServiceRequest` of opentelemetry/proto/collector/trace/v1.
fn parse(request: &[u8]) -> Vec<Span> {
    let mut spans = Vec::new();
    for of_resource in all(request, 1) {
        let resource = all(of_resource, 1).flat_map(|resource| attributes(resource, 1));
        let resource: HashMap<_, _> = resource.collect();
        for span in all(of_resource, 2).flat_map(|of_scope| all(of_scope, 2)) {
            spans.push(Span {
                trace: one(span, 1).to_vec(),
                id: one(span, 2).to_vec(),
                parent: one(span, 4).to_vec(),
                name: text(one(span, 5)),
                attributes: resource.clone().into_iter().chain(attributes(span, 9)).collect(),
                events: all(span, 11).map(|event| attributes(event, 3).collect()).collect(),
            });
        }
    }
    spans
}

fn attributes(message: &[u8], number: u64) -> impl Iterator<Item = (String, String)> {
    all(message, number).map(|pair| (text(one(pair, 1)), text(one(one(pair, 2), 1))))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn one(message: &[u8], number: u64) -> &[u8] {
    all(message, number).next().unwrap_or_default()
}

/// Returns the fields with this number in a protocol buffers message, if they are texts, bytes or messages.
fn all(mut message: &[u8], number: u64) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        while !message.is_empty() {
            let key = varint(&mut message);
            let length = match key & 7 {
                0 => {
                    varint(&mut message);
                    0
                }
                1 => 8,
                2 => varint(&mut message) as usize,
                5 => 4,
                kind => panic!("unknown wire type {kind}"),
            };
            let (value, rest) = message.split_at(length);
            message = rest;
            if key >> 3 == number && key & 7 == 2 {
                return Some(value);
            }
        }
        None
    })
}

fn varint(message: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let (byte, rest) = message.split_first().expect("a number is complete");
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}
