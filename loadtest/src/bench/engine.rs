//! The closed loop: every connection sends its next request as soon as it has the response to the last one. A request that
//! the service asks to send again is sent again, as every client does.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Error;
use super::connection::{Connection, Response};
use super::requests;
use crate::latency::Latencies;

/// Time for the responses to the last requests.
const LAST_RESPONSES: Duration = Duration::from_secs(30);
/// Pause before a request is sent again: the `Retry-After` of the service.
pub const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Time after which a request is not sent again. It leaves time for the last response.
const RETRY_FOR: Duration = Duration::from_secs(15);

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
    /// Requests that were sent again.
    pub retries: u64,
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
        let deadline = Instant::now() + LAST_RESPONSES;
        while connections.len() < count {
            let mut connection = Connection::open(addresses[connections.len() % addresses.len()]).await?;
            match connection.exchange(&requests::get("/health/live")).await?.status {
                200 => connections.push(connection),
                // The service may not have noticed yet that other connections are closed.
                503 if Instant::now() < deadline => sleep(RETRY_AFTER).await,
                status => return Err(Error::Unexpected(format!("GET /health/live -> {status}"))),
            }
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
            retries: totals.retries,
            unexpected: totals.unexpected,
            sample: totals.sample,
        })
    }
}

struct Totals {
    latencies: Latencies,
    retries: u64,
    last_response: Instant,
    unexpected: u64,
    sample: Option<String>,
}

impl Totals {
    fn new(started: Instant) -> Self {
        Totals { latencies: Latencies::new(), retries: 0, last_response: started, unexpected: 0, sample: None }
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
        let response = loop {
            let response = connection.exchange(&request).await?;
            // Refused for now, or not known yet.
            if !matches!(response.status, 503 | 202) || sent.elapsed() > RETRY_FOR {
                break response;
            }
            totals.borrow_mut().retries += 1;
            sleep(RETRY_AFTER).await;
        };
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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use tokio::task::LocalSet;

    use super::super::traffic::numbered;
    use super::*;

    /// Serves one connection with these statuses, in turn.
    fn serve(listener: &TcpListener, statuses: &[u16]) {
        let (mut stream, _) = listener.accept().expect("a connection");
        for status in statuses {
            assert!(stream.read(&mut [0; 1024]).expect("a request") > 0, "the connection ended before {status}");
            write!(stream, "HTTP/1.1 {status} -\r\ncontent-length: 0\r\n\r\n").expect("a response is written");
        }
    }

    #[test]
    fn a_request_is_sent_again_until_its_outcome_is_known() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = std::thread::spawn(move || {
            serve(&listener, &[503]);
            serve(&listener, &[200, 503, 202, 200, 409]);
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let running = async {
            let write = |_, request: &mut Vec<u8>| request.extend_from_slice(&requests::get("/"));
            let traffic = numbered(1, 2, write, |_, response| response.status == 200);
            Connections::open(&[address], 1).await?.run(traffic, Duration::from_secs(60)).await
        };
        let measured = LocalSet::new().block_on(&runtime, running).expect("all responses arrive");
        assert_eq!((measured.requests, measured.retries, measured.unexpected), (2, 2, 1));
        assert_eq!(measured.sample.as_deref(), Some("GET / HTTP/1.1 -> 409 "));
        assert!(measured.latencies.quantile_ms(1.0) >= 2.0 * RETRY_AFTER.as_secs_f64() * 1e3 * 0.99);
        server.join().expect("the server got all requests");
    }
}
