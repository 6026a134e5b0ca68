//! Connections: taken in, served, and at the end seen off.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::application::sale::Shop;
use crate::infrastructure::metrics;

use super::connection::{Activity, Patience, TimedStream};
use super::front::{Caller, Front};
use super::settings::{HEAD_BYTES_MAX, HttpSettings, Surface};

/// How long to wait before the next connection is taken in when there is no room for it, in file
/// descriptors or memory.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// Connections beyond the bound that are told so; still further ones are closed without a word.
const TURNED_AWAY_MAX: usize = 256;

/// How long a connection is kept that is only told that there are too many.
const TURNED_AWAY_PATIENCE: Patience = Patience { head: Duration::from_secs(1), idle: Duration::ZERO };

/// How long a connection that seems idle is kept when the service stops: its next request may be on its way, and
/// closing would leave the client in doubt about it.
const LAST_REQUESTS: Duration = Duration::from_millis(100);

/// Requests at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 200;

/// How often the other end of an HTTP/2 connection is asked whether it is still there.
const HTTP2_PING_EVERY: Duration = Duration::from_secs(20);

/// Serves the shop on this listener until `shutdown`, and then until what is in flight is answered or
/// the time for it is over.
pub async fn serve(
    listener: TcpListener,
    shop: Arc<Shop>,
    settings: HttpSettings,
    surface: Surface,
    shutdown: CancellationToken,
) {
    let drain_timeout = settings.drain_timeout;
    let mut server = Server::new(shop, settings, surface);
    let mut is_exhausted = false;
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
            Some(_done) = server.tasks.join_next() => continue,
        };
        match accepted {
            Ok((stream, peer)) => {
                is_exhausted = false;
                server.take_in(stream, peer);
            }
            Err(error) if is_of_the_connection(&error) => tracing::debug!(%error, "a connection broke early"),
            Err(error) => {
                if !is_exhausted {
                    tracing::error!(%error, "connections cannot be taken in at the moment");
                }
                is_exhausted = true;
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
            }
        }
    }
    server.is_closing.store(true, Ordering::Relaxed);
    // Who was let in by the system, but not yet by us, may have sent a request.
    while let Some(Ok((stream, peer))) = listener.accept().now_or_never() {
        server.take_in(stream, peer);
    }
    drop(listener);
    server.see_off(drain_timeout).await;
}

fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

struct Server {
    front: Arc<Front>,
    protocol: Arc<Builder<TokioExecutor>>,
    patience: Patience,
    room: Arc<Semaphore>,
    room_to_turn_away: Arc<Semaphore>,
    /// Answers are the last ones of their connections.
    is_closing: Arc<AtomicBool>,
    graceful: GracefulShutdown,
    tasks: JoinSet<()>,
}

impl Server {
    fn new(shop: Arc<Shop>, settings: HttpSettings, surface: Surface) -> Self {
        metrics::connections_max(settings.connections);
        Server {
            protocol: Arc::new(protocol()),
            patience: Patience { head: settings.head_timeout, idle: settings.idle_timeout },
            room: Arc::new(Semaphore::new(settings.connections)),
            room_to_turn_away: Arc::new(Semaphore::new(TURNED_AWAY_MAX)),
            is_closing: Arc::default(),
            graceful: GracefulShutdown::new(),
            tasks: JoinSet::new(),
            front: Arc::new(Front::new(shop, settings, surface)),
        }
    }

    fn take_in(&mut self, stream: TcpStream, peer: SocketAddr) {
        let (place, is_admitted) = match self.room.clone().try_acquire_owned() {
            Ok(place) => (place, true),
            Err(_) => {
                metrics::connection_refused();
                let Ok(place) = self.room_to_turn_away.clone().try_acquire_owned() else { return };
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
            patience: if is_admitted { self.patience } else { TURNED_AWAY_PATIENCE },
            caller: Caller { address: peer.ip(), is_admitted },
            is_closing: self.is_closing.clone(),
            _place: place,
        };
        self.tasks.spawn(connection.serve(stream, self.graceful.watcher()));
    }

    /// Lets every connection finish the request it is at, for so long and no longer.
    async fn see_off(mut self, patience: Duration) {
        let ended_by_their_last_answer = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST_REQUESTS, ended_by_their_last_answer).await.is_ok() {
            return;
        }
        if tokio::time::timeout(patience, self.graceful.shutdown()).await.is_err() {
            tracing::warn!(connections = self.tasks.len(), "connections were cut off: they took too long to finish");
        }
        self.tasks.shutdown().await;
    }
}

fn protocol() -> Builder<TokioExecutor> {
    let mut protocol = Builder::new(TokioExecutor::new());
    // A client that only closes its sending side still gets its answer, and one that is gone does not break off
    // what it has begun.
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
    is_closing: Arc<AtomicBool>,
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
            let (answering, is_closing) = (requests.clone().oneshot(request), self.is_closing.clone());
            async move {
                let answer = answering.await;
                drop(serving);
                let is_last = is_http1 && (!caller.is_admitted || is_closing.load(Ordering::Relaxed));
                answer.map(|answer| if is_last { last(answer) } else { answer })
            }
        });
        let conversation =
            self.protocol.serve_connection(TokioIo::new(TimedStream::new(stream, activity.clone())), service);
        tokio::select! {
            biased;
            // A client that breaks the rules or the connection has been told, or cannot be.
            _ended = watcher.watch(conversation) => {}
            () = activity.stopped(self.patience) => tracing::debug!(peer = %caller.address, "a connection was not used"),
        }
    }
}

fn last<B>(mut answer: Response<B>) -> Response<B> {
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
