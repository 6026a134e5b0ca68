//! Accepts, serves and drains connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::activity::{Activity, Patience};
use super::answer::Answer;
use super::front::{Caller, Front};
use super::limits::settings::HEAD_BYTES_MAX;
use super::metrics;
use super::timed_stream::TimedStream;

/// Pause before the next connection is accepted if file descriptors or memory are exhausted.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// Most connections over the limit that are answered 503. Further ones are closed without an answer.
const REFUSED_CONNECTIONS_MAX: usize = 256;

/// Patience with a connection over the limit.
const REFUSED_PATIENCE: Patience = Patience { head: Duration::from_secs(1), idle: Duration::ZERO };

/// Time for which idle connections are kept open when the service stops. Their next request may be on its way, and the
/// client could not know if it was served.
const LAST_REQUESTS: Duration = Duration::from_millis(100);

/// Most concurrent requests of one HTTP/2 connection.
const STREAMS_MAX: u32 = 200;

/// Interval of the pings that detect dead HTTP/2 connections.
const HTTP2_PING_EVERY: Duration = Duration::from_secs(20);

/// Serves until `shutdown`, then until the requests in flight are answered or the drain timeout is over.
pub async fn serve(listener: TcpListener, front: Front, shutdown: CancellationToken) {
    let drain_timeout = front.settings().drain_timeout;
    let mut server = Server::new(front);
    let mut is_exhausted = false;
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
            Some(_ended) = server.tasks.join_next() => continue,
        };
        match accepted {
            Ok((stream, peer)) => {
                is_exhausted = false;
                server.accept(stream, peer);
            }
            Err(error) if is_of_the_connection(&error) => tracing::debug!(%error, "a connection broke early"),
            Err(error) => {
                if !is_exhausted {
                    tracing::error!(%error, "no connection can be accepted at the moment");
                }
                is_exhausted = true;
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
            }
        }
    }
    server.front.closing().cancel();
    // Connections that the kernel has accepted may have sent a request.
    while let Some(Ok((stream, peer))) = listener.accept().now_or_never() {
        server.accept(stream, peer);
    }
    drop(listener);
    server.drain(drain_timeout).await;
}

fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

struct Server {
    front: Arc<Front>,
    protocol: Arc<Builder<TokioExecutor>>,
    patience: Patience,
    places: Arc<Semaphore>,
    places_for_refused: Arc<Semaphore>,
    graceful: GracefulShutdown,
    tasks: JoinSet<()>,
}

impl Server {
    fn new(front: Front) -> Self {
        let settings = front.settings();
        metrics::connections_max(settings.connections);
        Server {
            protocol: Arc::new(protocol()),
            patience: Patience { head: settings.head_timeout, idle: settings.idle_timeout },
            places: Arc::new(Semaphore::new(settings.connections)),
            places_for_refused: Arc::new(Semaphore::new(REFUSED_CONNECTIONS_MAX)),
            graceful: GracefulShutdown::new(),
            tasks: JoinSet::new(),
            front: Arc::new(front),
        }
    }

    fn accept(&mut self, stream: TcpStream, peer: SocketAddr) {
        let (place, is_accepted) = match self.places.clone().try_acquire_owned() {
            Ok(place) => (place, true),
            Err(_) => {
                metrics::connection_refused();
                let Ok(place) = self.places_for_refused.clone().try_acquire_owned() else { return };
                (place, false)
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection broke early");
            return;
        }
        let connection = Connection {
            front: self.front.clone(),
            protocol: self.protocol.clone(),
            patience: if is_accepted { self.patience } else { REFUSED_PATIENCE },
            caller: Caller { address: peer.ip(), is_accepted },
            // A token of its own, so that connections do not contend for one lock.
            closing: self.front.closing().child_token(),
            _place: place,
        };
        self.tasks.spawn(connection.serve(stream, self.graceful.watcher()));
    }

    /// Lets every connection finish its request within the timeout, then closes it.
    async fn drain(mut self, timeout: Duration) {
        let ended_by_their_last_answer = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST_REQUESTS, ended_by_their_last_answer).await.is_ok() {
            return;
        }
        if tokio::time::timeout(timeout, self.graceful.shutdown()).await.is_err() {
            tracing::warn!(
                connections = self.tasks.len(),
                "the drain timeout is over: the open connections are closed"
            );
        }
        self.tasks.shutdown().await;
    }
}

fn protocol() -> Builder<TokioExecutor> {
    let mut protocol = Builder::new(TokioExecutor::new());
    // With half_close, a client that closes only its sending side still gets its answer, and a client that is gone does
    // not cancel the request.
    protocol.http1().max_buf_size(HEAD_BYTES_MAX).half_close(true).timer(TokioTimer::new());
    protocol
        .http2()
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(HTTP2_PING_EVERY)
        .timer(TokioTimer::new());
    protocol
}

struct Connection {
    front: Arc<Front>,
    protocol: Arc<Builder<TokioExecutor>>,
    patience: Patience,
    caller: Caller,
    /// Cancelled when each answer is the last one of the connection.
    closing: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    async fn serve(self, stream: TcpStream, watcher: Watcher) {
        let _open = Open::new();
        let activity = Activity::new();
        let (requests, caller) = (self.front.service(self.caller), self.caller);
        let service = service_fn(|request: Request<Incoming>| {
            let serving = activity.request(request.version());
            let is_http1 = request.version() < Version::HTTP_2;
            let (answering, closing) = (requests.clone().oneshot(request), self.closing.clone());
            async move {
                let mut answer = answering.await?;
                answer.body_mut().end_with_last_chunk(serving);
                let is_last = is_http1 && (!caller.is_accepted || closing.is_cancelled());
                Ok::<_, std::convert::Infallible>(if is_last { last(answer) } else { answer })
            }
        });
        let conversation =
            self.protocol.serve_connection(TokioIo::new(TimedStream::new(stream, activity.clone())), service);
        tokio::select! {
            biased;
            // A client that breaks the protocol or the connection has got its answer, or cannot get one.
            _ended = watcher.watch(conversation) => {}
            () = activity.stopped(self.patience) => tracing::debug!(peer = %caller.address, "a connection was unused"),
        }
    }
}

fn last(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
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
