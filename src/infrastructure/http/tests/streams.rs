//! Streamed and HTML answers, and several methods on one path, through the real listener.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use hyper::{Method, StatusCode};
use tokio::time::{Instant, sleep, timeout};

use super::super::Api;
use super::super::platform::answer;
use super::failing_stores::{StoreFault, payments, shop};
use super::sockets::{IDLE_TIMEOUT, Server};
use super::table::{api, endpoint_with};
use crate::infrastructure::metrics;

/// Endpoints that stream, send HTML, and share a path.
fn streams() -> &'static Api {
    api(vec![
        endpoint_with(Method::GET, "/test/numbers", |_, _| {
            let chunks = stream::iter(1..=3).then(|number: u32| async move {
                sleep(Duration::from_millis(20)).await;
                Ok(Bytes::from(format!("chunk {number}\n")))
            });
            Box::pin(async { Ok(answer::stream("text/plain", chunks)) })
        }),
        endpoint_with(Method::DELETE, "/test/numbers", |_, _| {
            Box::pin(async { Ok(answer::of_type("text/html; charset=utf-8", StatusCode::OK, "<p>deleted</p>")) })
        }),
        endpoint_with(Method::POST, "/test/numbers", |_, _| {
            Box::pin(async { Ok(answer::of_type("text/html; charset=utf-8", StatusCode::OK, "<p>posted</p>")) })
        }),
        endpoint_with(Method::GET, "/test/slow", |_, _| {
            let chunks = stream::iter([Duration::ZERO, IDLE_TIMEOUT * 2]).then(|pause| async move {
                sleep(pause).await;
                Ok(Bytes::from_static(b"chunk\n"))
            });
            Box::pin(async { Ok(answer::stream("text/plain", chunks)) })
        }),
        endpoint_with(Method::GET, "/test/endless", |context, _| {
            let chunks = stream::iter([Ok(Bytes::from_static(b"begun\n"))]).chain(stream::pending());
            let chunks = chunks.take_until(context.closing.clone().cancelled_owned());
            Box::pin(async { Ok(answer::stream("text/event-stream", chunks)) })
        }),
        endpoint_with(Method::GET, "/test/broken", |_, _| {
            let failed = stream::once(sleep(Duration::from_millis(20))).map(|()| Err("the source failed".into()));
            let chunks = stream::iter([Ok(Bytes::from_static(b"begun\n"))]).chain(failed);
            Box::pin(async { Ok(answer::stream("text/plain", chunks)) })
        }),
    ])
}

fn request(line: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
}

/// Returns the exported counter of a route.
fn count(route: &str, method: &str) -> Option<u64> {
    let series = format!("flashsale_http_requests_total{{route=\"{route}\",method=\"{method}\",status=\"200\"}} ");
    metrics::render(&payments(shop(StoreFault::Fenced)))
        .lines()
        .find_map(|line| line.strip_prefix(&series)?.parse().ok())
}

#[tokio::test]
async fn a_stream_is_sent_as_it_comes_and_counted() {
    let server = Server::of(streams(), 100).await;
    let mut peer = server.connect().await;
    let begun = Instant::now();
    peer.send(request("GET /test/numbers")).await;
    let answer = peer.rest().await;
    assert!(begun.elapsed() >= Duration::from_millis(60));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("\r\ntransfer-encoding: chunked"), "{head}");
    assert!(head.contains("\r\ncontent-type: text/plain") && head.contains("\r\nx-request-id: "), "{head}");
    assert_eq!(body, "8\r\nchunk 1\n\r\n8\r\nchunk 2\n\r\n8\r\nchunk 3\n\r\n0\r\n\r\n");
    assert_eq!(count("/test/numbers", "GET"), Some(1));
}

#[tokio::test]
async fn head_of_a_stream_has_no_body() {
    let server = Server::of(streams(), 100).await;
    let mut peer = server.connect().await;
    peer.send(request("HEAD /test/endless")).await;
    let answer = peer.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\n"), "{answer}");
    assert!(answer.contains("\r\ncontent-type: text/event-stream"), "{answer}");
    assert_eq!(count("/test/endless", "HEAD"), Some(1));
}

#[tokio::test]
async fn three_methods_of_one_path_are_three_endpoints() {
    let server = Server::of(streams(), 100).await;
    for (line, expected) in [
        ("DELETE /test/numbers", "<p>deleted</p>"),
        ("POST /test/numbers", "<p>posted</p>"),
        ("GET /test/numbers", "chunk 3"),
        ("PUT /test/numbers", "allow: GET, HEAD, DELETE, POST"),
    ] {
        let mut peer = server.connect().await;
        peer.send(request(line)).await;
        let answer = peer.rest().await;
        assert!(answer.contains(expected), "{line}: {answer}");
    }
}

#[tokio::test]
async fn a_connection_is_not_idle_while_it_streams() {
    let server = Server::of(streams(), 100).await;
    let mut peer = server.connect().await;
    peer.send(request("GET /test/slow")).await;
    assert_eq!(peer.rest().await.matches("chunk\n").count(), 2);
}

#[tokio::test]
async fn an_error_breaks_the_stream_off() {
    let server = Server::of(streams(), 100).await;
    let mut peer = server.connect().await;
    peer.send(request("GET /test/broken")).await;
    let answer = peer.rest().await;
    assert!(answer.contains("begun") && !answer.ends_with("0\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn streams_end_when_the_service_stops() {
    let server = Server::of(streams(), 100).await;
    let (mut endless, mut finite) = (server.connect().await, server.connect().await);
    endless.send(request("GET /test/endless")).await;
    assert!(endless.some().await.starts_with("HTTP/1.1 200"));
    finite.send(request("GET /test/numbers")).await;
    assert!(finite.some().await.starts_with("HTTP/1.1 200"));
    server.stop.cancel();
    assert!(endless.rest().await.ends_with("0\r\n\r\n"));
    let rest = finite.rest().await;
    assert!(rest.contains("chunk 3") && rest.ends_with("0\r\n\r\n"), "{rest}");
    timeout(Duration::from_secs(2), server.task).await.expect("it stops in time").unwrap();
}
