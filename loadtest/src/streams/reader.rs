//! One stream, as a browser reads it.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use chrono::Utc;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

use crate::latency::Latencies;

/// Bytes that are read at once.
const BUFFER: usize = 16 * 1024;
/// The start of a line that is kept: ids and names of events are shorter.
const LINE: usize = 48;
/// The least receive buffer: a reader who reads nothing keeps little in the kernel.
const SMALL_BUFFER: u32 = 2_048;

/// The measurements of all streams.
#[derive(Debug)]
pub struct Measured {
    /// From the last entry in an event to its arrival, and from the last entry in the event before: no entry of an event is
    /// older than that.
    pub lag: Latencies,
    pub lag_most: Latencies,
    pub opened: u32,
    pub refused: u32,
    pub ended: u32,
    pub events: u64,
    pub snapshots: u64,
    /// Bytes of each stream that has ended.
    pub bytes: Vec<u64>,
}

impl Measured {
    pub fn new() -> Self {
        let (lag, lag_most) = (Latencies::new(), Latencies::new());
        Measured { lag, lag_most, opened: 0, refused: 0, ended: 0, events: 0, snapshots: 0, bytes: Vec::new() }
    }
}

/// The bytes of one stream that have arrived, and the times of its last two events.
#[derive(Debug, Default)]
struct Received {
    line: Vec<u8>,
    id_ms: i64,
    before_ms: Option<i64>,
    bytes: u64,
}

/// Opens a stream that nobody will read.
pub async fn open_stalled(address: SocketAddr, path: &str) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(SMALL_BUFFER)?;
    let mut stream = socket.connect(address).await?;
    ask(&mut stream, address, path).await?;
    Ok(stream)
}

/// Opens a stream and reads it until its end.
pub async fn read(address: SocketAddr, path: Rc<str>, measured: Rc<RefCell<Measured>>) -> io::Result<()> {
    thread_local!(static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER]));
    let mut stream = TcpStream::connect(address).await?;
    ask(&mut stream, address, &path).await?;
    let mut received = Received::default();
    loop {
        stream.readable().await?;
        let read = SCRATCH.with_borrow_mut(|scratch| {
            let length = stream.try_read(scratch)?;
            let is_first = received.bytes == 0;
            received.bytes += length as u64;
            if is_first && length > 0 {
                let is_stream = scratch.starts_with(b"HTTP/1.1 200");
                let mut measured = measured.borrow_mut();
                *(if is_stream { &mut measured.opened } else { &mut measured.refused }) += 1;
            }
            received.take(&scratch[..length], &mut measured.borrow_mut());
            Ok::<usize, io::Error>(length)
        });
        match read {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    let mut measured = measured.borrow_mut();
    measured.ended += 1;
    measured.bytes.push(received.bytes);
    Ok(())
}

async fn ask(stream: &mut TcpStream, address: SocketAddr, path: &str) -> io::Result<()> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\naccept: text/event-stream\r\n\r\n");
    stream.write_all(request.as_bytes()).await
}

impl Received {
    /// Reads the lines of these bytes. The sizes of chunks stand between events, so they are lines that are ignored.
    fn take(&mut self, bytes: &[u8], measured: &mut Measured) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LINE - self.line.len();
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                self.end_line(measured);
                self.line.clear();
            }
        }
    }

    fn end_line(&mut self, measured: &mut Measured) {
        let Ok(line) = str::from_utf8(&self.line) else { return };
        if let Some(id) = line.strip_prefix("id: ") {
            self.id_ms = id.split('-').next().and_then(|ms| ms.parse().ok()).unwrap_or(0);
        } else if let Some(name) = line.strip_prefix("event: ") {
            let name = name.trim_end();
            if name == "end" {
                return;
            }
            measured.events += 1;
            measured.snapshots += u64::from(name == "snapshot");
            // The first event tells of the past.
            if let Some(before_ms) = self.before_ms.replace(self.id_ms) {
                let since = |ms: i64| Duration::from_millis((Utc::now().timestamp_millis() - ms).max(0) as u64);
                measured.lag.record(since(self.id_ms));
                if before_ms > 0 {
                    measured.lag_most.record(since(before_ms));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_however_they_are_cut() {
        let now = Utc::now().timestamp_millis();
        let event = |ms: i64, name: &str| format!("2f\r\nid: {ms}-7\nevent: {name}\ndata: {}\n\n\r\n", "1 ".repeat(40));
        let text =
            [event(now - 900, "snapshot"), event(now - 100, "delta"), "3\r\n:\n\n\r\n".into(), event(now, "end")]
                .concat();
        for cut in [1, 7, 64, 1_000] {
            let (mut received, mut measured) = (Received::default(), Measured::new());
            text.as_bytes().chunks(cut).for_each(|part| received.take(part, &mut measured));
            assert_eq!((measured.events, measured.snapshots, measured.lag.count()), (2, 1, 1), "{cut}");
            assert!(measured.lag.quantile_ms(1.0) >= 99.0 && measured.lag_most.quantile_ms(1.0) >= 899.0);
        }
    }
}
