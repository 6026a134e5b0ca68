//! Clients that ask for much and read nothing, and others that never finish asking.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::time::sleep;

use super::super::Api;
use super::super::platform::answer;
use super::super::platform::unsent::UNSENT_MAX;
use super::sockets::Server;
use super::table::{api, endpoint_with};

const ANSWER_BYTES: usize = 100_000;
const CONNECTIONS: usize = 20;
const STREAMS: usize = 200;

/// The bytes of all answers that exist.
static LIVE: AtomicUsize = AtomicUsize::new(0);

struct Counted(Vec<u8>);

impl Counted {
    fn new() -> Self {
        LIVE.fetch_add(ANSWER_BYTES, Ordering::Relaxed);
        Counted(vec![b'x'; ANSWER_BYTES])
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        LIVE.fetch_sub(ANSWER_BYTES, Ordering::Relaxed);
    }
}

fn large_answers() -> &'static Api {
    api(vec![endpoint_with(Method::GET, "/test/large", |_, _| {
        Box::pin(async { Ok(answer::of_type("text/plain", StatusCode::OK, Bytes::from_owner(Counted::new()))) })
    })])
}

/// Asks for many answers on one connection, whose client lets this many bytes of each come and reads none. Returns the
/// answers, and the connection.
async fn ask_for_many(server: &Server, window: u32) -> (Vec<hyper::Response<hyper::body::Incoming>>, impl Sized) {
    let stream = TokioIo::new(server.connect().await.into_stream());
    let mut client = http2::Builder::new(TokioExecutor::new());
    let (mut sender, connection) = client.initial_stream_window_size(window).handshake(stream).await.unwrap();
    let connection = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(connection));
    let answers = (0..STREAMS).map(|_| {
        let request = Request::get("http://x/test/large").body(Empty::<Bytes>::new()).unwrap();
        sender.send_request(request)
    });
    let answers = join_all(answers).await.into_iter().map(Result::unwrap).collect();
    (answers, (connection, sender))
}

#[tokio::test]
async fn clients_that_read_nothing_keep_a_bounded_number_of_answers_in_memory() {
    let server = Server::of(large_answers(), 10_000).await;
    let (mut slow, mut idle) = (Vec::new(), Vec::new());
    for _ in 0..100 {
        let mut peer = server.connect().await;
        peer.send("GET /test/large HTTP/1.1\r\nHost: x\r\nx-slow").await;
        slow.push(peer);
        idle.push(server.connect().await);
    }
    let mut hostile = Vec::new();
    for number in 0..CONNECTIONS {
        // Without any room, and with room for a part of each answer.
        hostile.push(ask_for_many(&server, number as u32 % 2).await);
    }
    let statuses: Vec<u16> =
        hostile.iter().flat_map(|(answers, _)| answers).map(|answer| answer.status().as_u16()).collect();
    assert_eq!(statuses.len(), CONNECTIONS * STREAMS);
    let answered = statuses.iter().filter(|status| **status == 200).count();
    assert_eq!(answered, CONNECTIONS * (UNSENT_MAX / ANSWER_BYTES));
    assert!(statuses.iter().all(|status| [200, 503].contains(status)));
    let live = LIVE.load(Ordering::Relaxed);
    assert!(live <= CONNECTIONS * UNSENT_MAX, "{live} bytes of answers are kept");

    let mut shopper = server.connect().await;
    shopper.send("GET /test/large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(shopper.rest().await.ends_with("xxx"));

    drop(hostile);
    while LIVE.load(Ordering::Relaxed) > 0 {
        sleep(Duration::from_millis(5)).await;
    }
}
