//! The interface over real sockets.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use futures::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::super::platform::front::Front;
use super::super::platform::listener;
use super::super::{API, Api, HttpSettings, Surface, TrustedProxies};
use super::failing_stores::{StoreFault, payments, rooms, shop};

const LIVE: &str = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";
pub const HEAD_TIMEOUT: Duration = Duration::from_millis(300);
const BUFFERS_KEPT: Duration = Duration::from_millis(100);
const IN_FLIGHT: usize = 16;
pub const IDLE_TIMEOUT: Duration = Duration::from_millis(1_500);

pub struct Server {
    address: SocketAddr,
    pub stop: CancellationToken,
    pub task: JoinHandle<()>,
}

impl Server {
    pub async fn start(connections: usize) -> Self {
        Server::of(&API, connections).await
    }

    /// A server of another interface.
    pub async fn of(api: &'static Api, connections: usize) -> Self {
        Server::on(listener::bind("127.0.0.1:0".parse().unwrap()).unwrap(), api, connections)
    }

    fn on(listener: TcpListener, api: &'static Api, connections: usize) -> Self {
        Server::with(listener, api, HttpSettings { connections, ..HttpSettings::default() })
    }

    fn with(listener: TcpListener, api: &'static Api, settings: HttpSettings) -> Self {
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let settings = HttpSettings {
            head_timeout: HEAD_TIMEOUT,
            idle_timeout: IDLE_TIMEOUT,
            buffers_kept: BUFFERS_KEPT,
            in_flight: IN_FLIGHT,
            ..settings
        };
        let shop = shop(StoreFault::Unreachable);
        let (payments, rooms) = (payments(shop.clone()), rooms(shop));
        let front = Front::new(api, payments, rooms, settings, Surface::Everything, CancellationToken::new());
        let task = tokio::spawn(listener::serve(listener, front, stop.clone()));
        Server { address, stop, task }
    }

    pub async fn connect(&self) -> Peer {
        Peer(TcpStream::connect(self.address).await.unwrap())
    }
}

pub struct Peer(TcpStream);

impl Peer {
    pub fn into_stream(self) -> TcpStream {
        self.0
    }

    pub async fn send(&mut self, text: impl AsRef<[u8]>) {
        self.0.write_all(text.as_ref()).await.unwrap();
    }

    /// Returns the next bytes.
    pub async fn some(&mut self) -> String {
        let mut bytes = vec![0; 4_096];
        let length = self.0.read(&mut bytes).await.unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    /// Returns the bytes until the service closes the connection.
    pub async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        let read = timeout(Duration::from_secs(5), self.0.read_to_end(&mut bytes)).await;
        read.expect("the connection is closed in time").unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[tokio::test]
async fn a_head_that_is_too_slow_ends_the_connection() {
    let server = Server::start(100).await;
    for start in ["", "P", "GET /health/live HTTP/1.1\r\nHost:", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let (mut peer, began) = (server.connect().await, Instant::now());
        peer.send(start).await;
        assert!(!peer.rest().await.contains("200 OK"), "{start:?}");
        assert!((HEAD_TIMEOUT..HEAD_TIMEOUT * 4).contains(&began.elapsed()), "{start:?} {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn an_address_with_too_many_connections_keeps_no_other_out() {
    for (trusted, status) in [(None, "HTTP/1.1 503"), (Some("127.0.0.1"), "HTTP/1.1 200")] {
        let settings = HttpSettings {
            connections_per_address: NonZeroUsize::new(2),
            trusted_proxies: TrustedProxies::new(trusted.iter().map(|proxy| proxy.parse().unwrap()).collect()),
            ..HttpSettings::default()
        };
        let server = Server::with(listener::bind("0.0.0.0:0".parse().unwrap()).unwrap(), &API, settings);
        let (mut first, second, mut third) = (server.connect().await, server.connect().await, server.connect().await);
        first.send(LIVE).await;
        assert!(first.some().await.starts_with("HTTP/1.1 200"));
        third.send(LIVE).await;
        assert!(third.some().await.starts_with(status));
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], server.address.port()));
        let mut other = Peer(socket.connect(address).await.unwrap());
        other.send(LIVE).await;
        assert!(other.some().await.starts_with("HTTP/1.1 200"));
        drop(second);
        // The service notices soon that it is gone.
        let is_free = async {
            loop {
                let mut again = server.connect().await;
                again.send(LIVE).await;
                if again.some().await.starts_with("HTTP/1.1 200") {
                    return;
                }
            }
        };
        timeout(Duration::from_secs(5), is_free).await.expect("the place is free again");
    }
}

#[tokio::test]
async fn bodies_that_never_come_keep_nobody_out() {
    let server = Server::start(100).await;
    let mut peers = Vec::new();
    for _ in 0..2 * IN_FLIGHT {
        let mut peer = server.connect().await;
        let head =
            "POST /api/purchase HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n";
        peer.send(head).await;
        peers.push(peer);
    }
    sleep(HEAD_TIMEOUT / 3).await;
    let mut shopper = server.connect().await;
    shopper.send("POST /purchase?code=x HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(shopper.some().await.starts_with("HTTP/1.1 400"), "a request of the same class");
    assert!(peers[0].some().await.starts_with("HTTP/1.1 408"));
}

#[tokio::test]
async fn a_connection_may_be_idle_for_longer_than_a_head_may_take() {
    let server = Server::start(100).await;
    let mut peer = server.connect().await;
    peer.send(LIVE).await;
    assert!(peer.some().await.starts_with("HTTP/1.1 200"));
    sleep(HEAD_TIMEOUT * 2).await;
    peer.send(LIVE).await;
    assert!(peer.some().await.starts_with("HTTP/1.1 200"));
    let began = Instant::now();
    assert_eq!(peer.rest().await, "");
    assert!(began.elapsed() > HEAD_TIMEOUT * 2, "{:?}", began.elapsed());

    let mut peer = server.connect().await;
    peer.send(LIVE).await;
    peer.some().await;
    let began = Instant::now();
    peer.send("GET /health").await;
    assert_eq!(peer.rest().await, "");
    assert!(began.elapsed() < HEAD_TIMEOUT * 4, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_crowd_can_connect_before_anybody_is_accepted() {
    let listener = listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    // The standard library lets 128 connections wait. Further ones would not be established before the server starts.
    let crowd = join_all((0..500).map(|_| TcpStream::connect(address)));
    let crowd = timeout(Duration::from_secs(30), crowd).await.expect("the listener queues the whole crowd");
    let server = Server::on(listener, &API, 500);
    let answers = join_all(crowd.into_iter().map(|stream| async {
        let mut peer = Peer(stream.unwrap());
        peer.send(LIVE).await;
        peer.some().await
    }));
    assert!(answers.await.iter().all(|answer| answer.starts_with("HTTP/1.1 200")));
    drop(server);
}

#[tokio::test]
async fn a_connection_that_gave_its_buffers_back_ends_when_the_service_stops() {
    let server = Server::start(100).await;
    let mut peer = server.connect().await;
    peer.send(LIVE).await;
    peer.some().await;
    sleep(BUFFERS_KEPT * 2).await;
    server.stop.cancel();
    assert_eq!(peer.rest().await, "");
    timeout(Duration::from_secs(2), server.task).await.expect("it stops in time").unwrap();
}

#[tokio::test]
async fn a_head_has_at_most_16_kib() {
    let server = Server::start(100).await;
    for (bytes, status) in [(16 * 1024, "200"), (16 * 1024 + 1, "431"), (64 * 1024, "431")] {
        let start = "GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\nA: ";
        let mut peer = server.connect().await;
        peer.send(format!("{start}{}\r\n\r\n", "a".repeat(bytes - start.len() - 4))).await;
        let answer = peer.some().await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{bytes}: {answer}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_even_while_it_is_sent() {
    let server = Server::start(100).await;
    for bytes in [64 * 1024 + 1, 4 * 1024 * 1024] {
        let mut peer = server.connect().await;
        peer.send(format!("POST /purchase HTTP/1.1\r\nHost: x\r\nContent-Length: {bytes}\r\n\r\n")).await;
        peer.send(vec![b' '; bytes]).await;
        let answer = peer.some().await;
        assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("body_too_large"), "{answer}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_slow_is_refused() {
    let server = Server::start(100).await;
    let mut peer = server.connect().await;
    peer.send("POST /purchase HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{").await;
    assert!(peer.rest().await.starts_with("HTTP/1.1 408"));
}

#[tokio::test]
async fn a_client_that_closes_its_sending_side_is_answered() {
    let server = Server::start(100).await;
    let mut peer = server.connect().await;
    peer.send(LIVE).await;
    peer.0.shutdown().await.unwrap();
    assert!(peer.rest().await.contains(r#"{"status":"UP"}"#));
}

#[tokio::test]
async fn a_connection_over_the_limit_is_refused_and_closed() {
    let server = Server::start(1).await;
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    first.send(LIVE).await;
    assert!(first.some().await.starts_with("HTTP/1.1 200"));
    second.send(LIVE).await;
    let refusal = second.rest().await;
    assert!(refusal.starts_with("HTTP/1.1 503") && refusal.contains("retry-after: 1"), "{refusal}");
    drop(first);
    sleep(Duration::from_millis(50)).await;
    let mut third = server.connect().await;
    third.send(LIVE).await;
    assert!(third.some().await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn requests_in_flight_are_answered_when_the_service_stops() {
    let server = Server::start(100).await;
    let (mut idle, mut sending, mut late) = (server.connect().await, server.connect().await, server.connect().await);
    for peer in [&mut idle, &mut late] {
        peer.send(LIVE).await;
        peer.some().await;
    }
    let head = "POST /checkout HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{";
    sending.send(head).await;
    sleep(Duration::from_millis(20)).await;
    server.stop.cancel();
    // Long enough for the service to notice, and shorter than idle connections are kept.
    sleep(Duration::from_millis(10)).await;
    late.send(LIVE).await;
    sleep(Duration::from_millis(20)).await;
    sending.send("}").await;
    for (mut peer, status) in [(late, "200"), (sending, "400")] {
        let answer = peer.rest().await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains("connection: close"), "{answer}");
    }
    assert_eq!(idle.rest().await, "");
    timeout(Duration::from_secs(2), server.task).await.expect("it stops in time").unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}
