//! The open loop: requests are due at a fixed rate, whether or not earlier ones are answered. And what came back, over time.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};

use super::Error;
use super::connection::Connection;
use super::engine::RETRY_AFTER;
use crate::latency::Latencies;

/// The length of a step of the timeline.
pub const STEP: Duration = Duration::from_millis(100);
/// A request that is later than this is not sent: no connection was free for it.
const LATEST: Duration = Duration::from_secs(1);
/// Time for the responses to the last requests.
const LAST_RESPONSES: Duration = Duration::from_secs(5);
/// Pause between the bytes of a slow head.
const SLOW_BYTE: Duration = Duration::from_millis(500);

/// The kind of a request, which decides what its response means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A purchase that succeeds unless it is refused for now.
    Purchase,
    /// Any other request. The service may answer it with this status, or refuse it for now.
    Other(u16),
}

/// Writes the request with this number.
pub type Write = dyn Fn(u64, &mut Vec<u8>) -> Kind;

/// The responses since the start.
#[derive(Debug)]
pub struct Tally {
    started: Instant,
    pub steps: Vec<Step>,
    /// From the due time of a purchase to its receipt.
    pub admitted: Latencies,
    /// Purchases whose outcome is not known: 202, or no answer.
    pub unknown: u64,
    /// Requests that were not sent, because all connections waited for answers.
    pub unsent: u64,
    /// The first response with a status that its request cannot have.
    pub unexpected: Option<String>,
}

/// The responses in one step of the timeline.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Step {
    /// Purchases that are durable.
    pub acknowledged: u64,
    /// Requests of all kinds that were refused for now.
    pub refused: u64,
    /// Responses of all kinds.
    pub answered: u64,
}

impl Tally {
    pub fn new() -> Self {
        Tally {
            started: Instant::now(),
            steps: Vec::new(),
            admitted: Latencies::new(),
            unknown: 0,
            unsent: 0,
            unexpected: None,
        }
    }

    /// Returns the number of steps until now.
    pub fn now(&self) -> usize {
        (self.started.elapsed().as_millis() / STEP.as_millis()) as usize
    }

    fn record(&mut self, kind: Kind, status: u16, due: Instant) {
        let now = self.now();
        if self.steps.len() <= now {
            self.steps.resize(now + 1, Step::default());
        }
        let step = &mut self.steps[now];
        step.answered += 1;
        match (kind, status) {
            (_, 503) => step.refused += 1,
            (Kind::Purchase, 200) => {
                step.acknowledged += 1;
                self.admitted.record(due.elapsed());
            }
            (Kind::Purchase, 202) => self.unknown += 1,
            (Kind::Other(expected), status) if expected == status => {}
            (kind, status) => _ = self.unexpected.get_or_insert_with(|| format!("{kind:?} -> {status}")),
        }
    }
}

/// Sends requests at this rate over this many connections, until the time is over and all are answered.
pub async fn offer(
    address: SocketAddr,
    connections: usize,
    per_second: f64,
    length: Duration,
    write: Rc<Write>,
    tally: Rc<RefCell<Tally>>,
) -> Result<(), Error> {
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(Connection::open(address).await?);
    }
    let (started, next) = (Instant::now(), Rc::new(Cell::new(0)));
    let mut tasks = JoinSet::new();
    for connection in open {
        let sender = Sender { address, per_second, started, length, next: next.clone() };
        tasks.spawn_local(sender.run(connection, write.clone(), tally.clone()));
    }
    let ended = async { while tasks.join_next().await.is_some() {} };
    timeout(length + LAST_RESPONSES, ended).await.map_err(|_| Error::Silent(LAST_RESPONSES))
}

/// The part that each connection has in an open loop.
struct Sender {
    address: SocketAddr,
    per_second: f64,
    started: Instant,
    length: Duration,
    next: Rc<Cell<u64>>,
}

impl Sender {
    async fn run(self, mut connection: Connection, write: Rc<Write>, tally: Rc<RefCell<Tally>>) {
        let mut request = Vec::with_capacity(512);
        loop {
            let number = self.next.replace(self.next.get() + 1);
            let after = Duration::from_secs_f64(number as f64 / self.per_second);
            if after >= self.length {
                return;
            }
            let due = self.started + after;
            sleep_until(due.into()).await;
            if due.elapsed() > LATEST {
                tally.borrow_mut().unsent += 1;
                continue;
            }
            request.clear();
            let kind = write(number, &mut request);
            match connection.exchange(&request).await.map(|response| response.status) {
                Ok(status) => tally.borrow_mut().record(kind, status, due),
                Err(_) => {
                    tally.borrow_mut().unknown += u64::from(kind == Kind::Purchase);
                    let Ok(other) = Connection::open(self.address).await else { return };
                    connection = other;
                }
            }
        }
    }
}

/// Buys in a closed loop over this many connections. Each waits as it is asked to after a refusal.
pub async fn buy(
    address: SocketAddr,
    connections: usize,
    length: Duration,
    write: Rc<Write>,
    tally: Rc<RefCell<Tally>>,
) -> Result<(), Error> {
    let (ends_at, next) = (Instant::now() + length, Rc::new(Cell::new(0)));
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        let mut connection = Connection::open(address).await?;
        let (write, tally, next) = (write.clone(), tally.clone(), next.clone());
        tasks.spawn_local(async move {
            let mut request = Vec::with_capacity(512);
            while Instant::now() < ends_at {
                request.clear();
                let kind = write(next.replace(next.get() + 1), &mut request);
                let due = Instant::now();
                let status = connection.exchange(&request).await?.status;
                tally.borrow_mut().record(kind, status, due);
                if status == 503 {
                    sleep(RETRY_AFTER).await;
                }
            }
            Ok::<_, io::Error>(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.expect("a connection does not panic")?;
    }
    Ok(())
}

/// Keeps connections open whose heads never end, and opens others for those that the service closes.
pub async fn send_slow_heads(address: SocketAddr, connections: usize) -> Result<(), Error> {
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        tasks.spawn_local(async move {
            loop {
                // Either end of the connection may be lost: the next one follows.
                let Ok(mut stream) = TcpStream::connect(address).await else { return };
                let _begun = stream.write_all(b"GET /sales/active HTTP/1.1\r\nhost: bench\r\nx-slow: ").await;
                while stream.write_all(b"x").await.is_ok() {
                    sleep(SLOW_BYTE).await;
                }
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    Ok(())
}
