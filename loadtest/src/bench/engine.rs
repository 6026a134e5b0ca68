//! The closed loop: every connection sends its next request as soon as it has the response to the last one.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Error;
use super::connection::{Connection, Response};
use super::requests;
use crate::latency::Latencies;

/// Time for the responses to the last requests.
const LAST_RESPONSES: Duration = Duration::from_secs(30);

/// The requests of one connection.
pub trait Traffic {
    /// Writes the next request. Returns false if there is none.
    fn write(&mut self, request: &mut Vec<u8>) -> bool;

    /// Takes the response to the last request. Returns false if it is not the expected one.
    fn take(&mut self, response: Response<'_>) -> bool;
}

/// The result of a load.
#[derive(Debug)]
pub struct Measured {
    pub requests: u64,
    /// The time from the first request to the last response.
    pub elapsed: Duration,
    pub latencies: Latencies,
    pub unexpected: u64,
    /// The first unexpected response.
    pub sample: Option<String>,
}

impl Measured {
    pub fn per_second(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64()
    }
}

/// Open connections, each of which has served a request, so that none of them waits to be accepted.
pub struct Connections(Vec<Connection>);

impl Connections {
    /// Opens connections one after another, in turn to each of these addresses.
    pub async fn open(addresses: &[SocketAddr], count: usize) -> Result<Self, Error> {
        let mut connections = Vec::with_capacity(count);
        for address in addresses.iter().cycle().take(count) {
            let mut connection = Connection::open(*address).await?;
            connection.exchange(&requests::get("/health/live")).await?;
            connections.push(connection);
        }
        Ok(Connections(connections))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Sends the requests of these connections, each in a closed loop, until the time is over or there are no more.
    pub async fn run(self, traffic: Vec<Box<dyn Traffic>>, length: Duration) -> Result<Measured, Error> {
        let started = Instant::now();
        let totals = Rc::new(RefCell::new(Totals::new(started)));
        let mut tasks = JoinSet::new();
        for (connection, traffic) in self.0.into_iter().zip(traffic) {
            tasks.spawn_local(converse(connection, traffic, started + length, totals.clone()));
        }
        let all_ended = async {
            while let Some(ended) = tasks.join_next().await {
                ended.expect("a connection does not panic")?;
            }
            Ok::<_, io::Error>(())
        };
        let ended = timeout(length + LAST_RESPONSES, all_ended).await;
        ended.map_err(|_| Error::Silent(LAST_RESPONSES))??;
        let totals = Rc::into_inner(totals).expect("all connections have ended").into_inner();
        Ok(Measured {
            requests: totals.latencies.count(),
            elapsed: totals.last_response - started,
            latencies: totals.latencies,
            unexpected: totals.unexpected,
            sample: totals.sample,
        })
    }
}

struct Totals {
    latencies: Latencies,
    last_response: Instant,
    unexpected: u64,
    sample: Option<String>,
}

impl Totals {
    fn new(started: Instant) -> Self {
        Totals { latencies: Latencies::new(), last_response: started, unexpected: 0, sample: None }
    }
}

async fn converse(
    mut connection: Connection,
    mut traffic: Box<dyn Traffic>,
    ends_at: Instant,
    totals: Rc<RefCell<Totals>>,
) -> io::Result<()> {
    let mut request = Vec::with_capacity(512);
    let mut sent = Instant::now();
    while sent < ends_at && traffic.write(&mut request) {
        let response = connection.exchange(&request).await?;
        let answered = Instant::now();
        let is_expected = traffic.take(response);
        let totals = &mut *totals.borrow_mut();
        totals.latencies.record(answered - sent);
        totals.last_response = answered;
        if !is_expected {
            totals.unexpected += 1;
            totals.sample.get_or_insert_with(|| describe(&request, response));
        }
        request.clear();
        sent = answered;
    }
    Ok(())
}

/// Returns the first line of a request with its response, cut to fit on a line.
fn describe(request: &[u8], response: Response<'_>) -> String {
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let body: String = String::from_utf8_lossy(response.body).chars().take(300).collect();
    format!("{} -> {} {body}", String::from_utf8_lossy(line), response.status)
}
