//! Heads that hyper refuses by itself.

use rstest::rstest;
use serde_json::Value;

use super::super::platform::limits::settings::HEAD_BYTES_MAX;
use super::sockets::{Peer, Server};

/// Returns the status and the problem of an answer that must be complete.
fn problem(answer: &str) -> (u16, Value) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    for header in ["content-type: application/problem+json", "x-request-id: ", "connection: close"] {
        assert!(head.contains(&format!("\r\n{header}")), "{header} is missing in {head}");
    }
    assert!(head.contains(&format!("\r\ncontent-length: {}", body.len())), "{answer}");
    let problem: Value = serde_json::from_str(body).unwrap();
    (problem["status"].as_u64().unwrap() as u16, problem["code"].clone())
}

#[rstest]
#[case::no_request_line("nonsense\r\n\r\n")]
#[case::unknown_version("GET / HTTP/7.0\r\nHost: x\r\n\r\n")]
#[case::bad_path("GET /\u{1} HTTP/1.1\r\nHost: x\r\n\r\n")]
#[case::bad_header("GET /health/live HTTP/1.1\r\nHost: x\r\nA B: c\r\n\r\n")]
#[case::two_lengths("POST /purchase HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n")]
#[case::bad_length("POST /purchase HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n")]
#[tokio::test]
async fn a_head_that_is_not_http_is_an_invalid_request(#[case] head: &str) {
    let server = Server::start(100).await;
    let mut peer = server.connect().await;
    peer.send(head).await;
    assert_eq!(problem(&peer.rest().await), (400, "invalid_request".into()), "{head:?}");
}

#[tokio::test]
async fn an_invalid_head_after_a_valid_request_is_a_problem_too() {
    let server = Server::start(100).await;
    let mut peer = server.connect().await;
    peer.send("GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(peer.some().await.starts_with("HTTP/1.1 200"));
    peer.send("nonsense\r\n\r\n").await;
    assert_eq!(problem(&peer.rest().await), (400, "invalid_request".into()));
}

#[tokio::test]
async fn a_head_that_is_too_large_is_a_problem() {
    let server = Server::start(100).await;
    for bytes in [HEAD_BYTES_MAX, 2 * HEAD_BYTES_MAX] {
        let mut peer = server.connect().await;
        send_head(&mut peer, bytes).await;
        let answer = peer.some().await;
        assert!(answer.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{answer}");
        assert_eq!(problem(&answer), (431, "head_too_large".into()));
    }
}

#[tokio::test]
async fn a_request_without_a_host_is_a_problem() {
    let server = Server::start(100).await;
    let mut peer = server.connect().await;
    peer.send("GET /health/live HTTP/1.1\r\nConnection: close\r\n\r\n").await;
    assert_eq!(problem(&peer.rest().await), (400, "invalid_request".into()));
    let mut peer = server.connect().await;
    peer.send("GET /health/live HTTP/1.0\r\n\r\n").await;
    assert!(peer.rest().await.starts_with("HTTP/1.0 200"));
}

#[tokio::test]
async fn a_body_with_an_unknown_transfer_coding_is_not_waited_for() {
    let server = Server::start(100).await;
    let mut peer = server.connect().await;
    peer.send("POST /checkout HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n").await;
    let answer = peer.some().await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n") && answer.contains("Transfer-Encoding"), "{answer}");
}

async fn send_head(peer: &mut Peer, bytes: usize) {
    peer.send(format!("GET /health/live HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n", "a".repeat(bytes))).await;
}
