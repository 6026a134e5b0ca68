//! Serves one connection.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, service_fn};
use hyper::{Request, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::activity::{Activity, Patience};
use super::answer::Answer;
use super::body::Body;
use super::front::{Caller, Front};
use super::limits::owner_places::OwnerPlace;
use super::limits::settings::{BODY_BYTES_MAX, HEAD_BYTES_MAX};
use super::metrics;
use super::streamed;
use super::timed_stream::TimedStream;
use super::unsent::Unsent;

/// Most concurrent requests of one HTTP/2 connection.
const STREAMS_MAX: u32 = 200;

/// Most bytes of bodies of one HTTP/2 connection that may come before anybody reads them.
const UNREAD_MAX: u32 = 4 * BODY_BYTES_MAX as u32;

/// Interval of the pings that detect dead HTTP/2 connections.
const HTTP2_PING_EVERY: Duration = Duration::from_secs(20);

/// The first bytes of every HTTP/2 connection, and of no HTTP/1 request.
const HTTP2_START: [u8; 4] = *b"PRI ";

/// The two versions of the protocol.
pub struct Protocols {
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
}

impl Protocols {
    pub fn new() -> Self {
        let (mut http1, mut http2) = (http1::Builder::new(), http2::Builder::new(TokioExecutor::new()));
        // With half_close, a client that closes only its sending side still gets its answer, and a client that is gone
        // does not cancel the request. The activity of the connection limits the time for a head.
        http1.max_buf_size(HEAD_BYTES_MAX).half_close(true).header_read_timeout(None);
        http2
            .max_header_list_size(HEAD_BYTES_MAX as u32)
            .max_concurrent_streams(STREAMS_MAX)
            .initial_stream_window_size(BODY_BYTES_MAX as u32)
            .initial_connection_window_size(UNREAD_MAX)
            .keep_alive_interval(HTTP2_PING_EVERY)
            .timer(TokioTimer::new());
        Protocols { http1, http2 }
    }
}

/// A connection.
pub struct Connection {
    pub front: Arc<Front>,
    pub protocols: Arc<Protocols>,
    pub patience: Patience,
    pub caller: Caller,
    /// Cancelled when the connection ends after the requests in flight.
    pub draining: CancellationToken,
}

/// The places that a connection takes until it ends, or becomes a stream, which has a place of its own.
pub struct Places {
    pub _place: OwnedSemaphorePermit,
    pub _of_address: Option<OwnerPlace<IpAddr>>,
}

/// The next use of a connection that hyper has given back.
enum Next {
    /// The client paused, and all buffers are free.
    Request(TimedStream),
    /// A streamed answer, the last one of the connection.
    Stream(TimedStream, Answer),
}

/// A streamed answer, with which the service makes hyper give the connection back.
#[derive(thiserror::Error)]
#[error("the answer is a stream")]
struct Streamed(Mutex<Option<Answer>>);

impl fmt::Debug for Streamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Streamed")
    }
}

impl Connection {
    /// Serves requests until either side ends the connection.
    pub async fn serve(self, stream: TcpStream, places: Places) {
        let open = Open::new();
        let (draining, unread) = (self.draining.clone(), self.front.settings().unread_timeout);
        let Some((stream, answer)) = Box::pin(Arc::new(self).requests(stream)).await else { return };
        drop((open, places));
        tokio::select! {
            biased;
            sent = streamed::send(stream, answer, unread) => {
                if let Err(error) = sent {
                    tracing::debug!(%error, "a stream ended early");
                }
            }
            () = draining.cancelled() => {}
        }
    }

    /// Serves requests until either side ends the connection, or an answer is a stream.
    async fn requests(self: Arc<Self>, stream: TcpStream) -> Option<(TimedStream, Answer)> {
        let activity = Activity::new();
        let conversing = self.converse(TimedStream::new(stream, activity.clone()), &activity);
        tokio::select! {
            biased;
            // A client that breaks the protocol or the connection has got its answer, or cannot get one.
            ended = conversing => ended,
            () = activity.stopped(self.patience) => {
                tracing::debug!(peer = %self.caller.address, "a connection was unused");
                None
            }
        }
    }

    async fn converse(
        self: &Arc<Self>,
        mut stream: TimedStream,
        activity: &Arc<Activity>,
    ) -> Option<(TimedStream, Answer)> {
        loop {
            let (version, whole) = tokio::select! {
                biased;
                begun = version(stream) => begun.ok()??,
                () = self.draining.cancelled() => return None,
            };
            match version {
                Version::HTTP_2 => {
                    self.serve_http2(whole, activity).await;
                    return None;
                }
                _ => match self.serve_http1(whole, activity).await? {
                    Next::Request(paused) => stream = paused,
                    Next::Stream(stream, answer) => return Some((stream, answer)),
                },
            }
        }
    }

    /// Serves requests until the client pauses or an answer is a stream.
    async fn serve_http1(self: &Arc<Self>, stream: TimedStream, activity: &Arc<Activity>) -> Option<Next> {
        let mut conversation =
            Box::new(self.protocols.http1.serve_connection(TokioIo::new(stream), self.service(activity)));
        let pauses = tokio::select! {
            biased;
            ended = &mut conversation => {
                let answer = streamed_answer(&ended.err()?)?;
                return Some(Next::Stream(conversation.into_parts().io.into_inner(), answer));
            }
            () = self.draining.cancelled() => false,
            () = activity.paused(self.patience.buffers) => true,
        };
        Pin::new(&mut *conversation).graceful_shutdown();
        if !pauses {
            let _ended = conversation.await;
            return None;
        }
        // Hyper returns an idle connection at once. Any other one must not go on: the rest of a body that nobody read would
        // pass for a request.
        let parts = conversation.without_shutdown().now_or_never()?.ok()?;
        Some(Next::Request(parts.io.into_inner().with_unread(parts.read_buf)))
    }

    async fn serve_http2(self: &Arc<Self>, stream: TimedStream, activity: &Arc<Activity>) {
        let mut conversation =
            Box::pin(self.protocols.http2.serve_connection(TokioIo::new(stream), self.service(activity)));
        tokio::select! {
            biased;
            _ended = &mut conversation => return,
            () = self.draining.cancelled() => {}
        }
        conversation.as_mut().graceful_shutdown();
        let _ended = conversation.await;
    }

    /// Returns the service that answers the requests. Over HTTP/1.1, a streamed answer is its error, unless an earlier one
    /// still waits in the buffers of hyper.
    fn service(
        self: &Arc<Self>,
        activity: &Arc<Activity>,
    ) -> impl HttpService<Incoming, ResBody = Body, Error = Streamed, Future: Send + 'static> + Unpin + 'static {
        let (connection, activity, unsent) = (self.clone(), activity.clone(), Arc::<Unsent>::default());
        service_fn(move |request: Request<Incoming>| {
            let (connection, serving) = (connection.clone(), activity.request(request.version()));
            let (activity, unsent) = (activity.clone(), unsent.clone());
            let (is_http1, may_stream) = (request.version() < Version::HTTP_2, request.version() == Version::HTTP_11);
            async move {
                let Connection { front, caller, .. } = &*connection;
                let mut answer = front.answer(*caller, request).await;
                answer.body_mut().end_with_last_chunk(serving);
                if may_stream && answer.body().is_stream() && !activity.is_sending() {
                    return Err(Streamed(Mutex::new(Some(answer))));
                }
                if !is_http1 {
                    answer = unsent.hold(answer);
                } else if !caller.is_accepted || front.is_closing() {
                    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok(answer)
            }
        })
    }
}

/// Returns the streamed answer with which the service ended a conversation.
fn streamed_answer(ended: &hyper::Error) -> Option<Answer> {
    let Streamed(answer) = ended.source()?.downcast_ref()?;
    answer.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Waits for the first bytes of a conversation, and returns their version of the protocol with the whole stream; `None` if
/// the client closes instead.
async fn version(mut stream: TimedStream) -> io::Result<Option<(Version, TimedStream)>> {
    if stream.has_unread() {
        return Ok(Some((Version::HTTP_11, stream)));
    }
    let (mut start, mut length) = ([0; HTTP2_START.len()], 0);
    let version = loop {
        match stream.read(&mut start[length..]).await? {
            0 if length == 0 => return Ok(None),
            0 => break Version::HTTP_11,
            read => length += read,
        }
        match HTTP2_START.strip_prefix(&start[..length]) {
            None => break Version::HTTP_11,
            Some([]) => break Version::HTTP_2,
            Some(_) => {}
        }
    };
    Ok(Some((version, stream.with_unread(Bytes::copy_from_slice(&start[..length])))))
}

/// A connection that is counted as open.
struct Open;

impl Open {
    fn new() -> Self {
        metrics::connection_opened();
        Open
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        metrics::connection_closed();
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use crate::infrastructure::http::tests::failing_stores::{StoreFault, payments, shop};
    use crate::infrastructure::http::{API, HttpSettings, Surface};

    use super::*;

    const LIVE: &str = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";
    const BUFFERS_KEPT: Duration = Duration::from_millis(50);

    /// Returns a client, its connection, and the stream of the connection.
    async fn connect() -> (TcpStream, Arc<Connection>, TimedStream, Arc<Activity>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let payments = payments(shop(StoreFault::Unreachable));
        let settings = HttpSettings::default();
        let front = Front::new(&API, payments, settings, Surface::Everything, CancellationToken::new());
        let (head, idle) = (Duration::from_secs(5), Duration::from_secs(75));
        let connection = Connection {
            front: Arc::new(front),
            protocols: Arc::new(Protocols::new()),
            patience: Patience { head, idle, buffers: BUFFERS_KEPT },
            caller: Caller { address: address.ip(), is_accepted: true },
            draining: CancellationToken::new(),
        };
        let activity = Activity::new();
        let stream = TimedStream::new(accepted.unwrap().0, activity.clone());
        (client.unwrap(), Arc::new(connection), stream, activity)
    }

    #[tokio::test]
    async fn a_paused_connection_gives_its_buffers_back_and_loses_no_byte() {
        let (mut client, connection, stream, activity) = connect().await;
        client.write_all(format!("{LIVE}GET /health/li").as_bytes()).await.unwrap();
        let Some(Next::Request(stream)) = connection.serve_http1(stream, &activity).await else {
            panic!("the client only pauses");
        };
        assert!(stream.has_unread());
        client.write_all(b"ve HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        assert!(connection.serve_http1(stream, &activity).await.is_none());
        let mut answers = String::new();
        client.read_to_string(&mut answers).await.unwrap();
        assert_eq!(answers.matches("HTTP/1.1 200").count(), 2, "{answers}");
    }

    #[tokio::test]
    async fn a_client_that_reads_slowly_gets_every_answer() {
        // More than the buffers of both sockets.
        const REQUESTS: usize = 400;
        let (mut client, connection, stream, activity) = connect().await;
        let serving = tokio::spawn(async move { connection.serve_http1(stream, &activity).await.is_some() });
        let request = "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n";
        client.write_all(request.repeat(REQUESTS).as_bytes()).await.unwrap();
        tokio::time::sleep(BUFFERS_KEPT * 4).await;
        assert!(!serving.is_finished(), "it pauses while answers wait");
        let (mut answers, mut bytes) = (Vec::new(), vec![0; 1 << 20]);
        while !serving.is_finished() {
            let reading = client.read(&mut bytes);
            if let Ok(length) = tokio::time::timeout(BUFFERS_KEPT, reading).await {
                answers.extend_from_slice(&bytes[..length.unwrap()]);
            }
        }
        assert!(serving.await.unwrap());
        assert_eq!(answers.windows(12).filter(|start| *start == b"HTTP/1.1 200").count(), REQUESTS);
    }

    #[tokio::test]
    async fn a_body_that_nobody_reads_never_passes_for_a_request() {
        let (mut client, connection, stream, activity) = connect().await;
        let start = "POST /health/live HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n";
        client.write_all(start.as_bytes()).await.unwrap();
        assert!(connection.serve_http1(stream, &activity).await.is_none(), "the rest of the body may still come");
    }
}
