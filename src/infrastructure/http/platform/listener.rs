//! Accepts and drains connections.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::activity::Patience;
use super::connection::{Connection, Places, Protocols};
use super::front::{Caller, Front};
use super::limits::owner_places::{OwnerPlace, OwnerPlaces};
use super::limits::rate_limit::network;
use super::metrics;

/// Pause before the next connection is accepted if file descriptors or memory are exhausted.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// Most connections over the limit that are answered 503. Further ones are closed without an answer.
const REFUSED_CONNECTIONS_MAX: usize = 256;

/// Patience with a connection over the limit.
const REFUSED_PATIENCE: Patience =
    Patience { head: Duration::from_secs(1), idle: Duration::ZERO, buffers: Duration::from_secs(1) };

/// Time for which idle connections are kept open when the service stops. Their next request may be on its way, and the
/// client could not know if it was served.
const LAST_REQUESTS: Duration = Duration::from_millis(100);

/// Listens on this address. As many connections as the system allows may wait to be accepted: a crowd opens them at once,
/// and a client whose connection finds no room tries again only after a second.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    // The system lowers the number to its own limit.
    socket.listen(i32::MAX as u32)
}

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
    server.front.close();
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
    protocols: Arc<Protocols>,
    patience: Patience,
    places: Arc<Semaphore>,
    address_places: Option<Arc<OwnerPlaces<IpAddr>>>,
    places_for_refused: Arc<Semaphore>,
    draining: CancellationToken,
    tasks: JoinSet<()>,
}

impl Server {
    fn new(front: Front) -> Self {
        let settings = front.settings();
        metrics::connections_max(settings.connections);
        Server {
            protocols: Arc::new(Protocols::new()),
            patience: Patience {
                head: settings.head_timeout,
                idle: settings.idle_timeout,
                buffers: settings.buffers_kept,
            },
            places: Arc::new(Semaphore::new(settings.connections)),
            address_places: settings.connections_per_address.map(|max| OwnerPlaces::new(max.get())),
            places_for_refused: Arc::new(Semaphore::new(REFUSED_CONNECTIONS_MAX)),
            draining: CancellationToken::new(),
            tasks: JoinSet::new(),
            front: Arc::new(front),
        }
    }

    fn accept(&mut self, stream: TcpStream, peer: SocketAddr) {
        let (place, address_place) = match self.take_places(peer) {
            Some((place, address_place)) => (Some(place), address_place),
            None => (None, None),
        };
        let is_accepted = place.is_some();
        let Some(place) = place.or_else(|| self.places_for_refused.clone().try_acquire_owned().ok()) else { return };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection broke early");
            return;
        }
        let connection = Connection {
            front: self.front.clone(),
            protocols: self.protocols.clone(),
            patience: if is_accepted { self.patience.spread() } else { REFUSED_PATIENCE },
            caller: Caller { address: peer.ip(), is_accepted },
            // A token of its own, so that connections do not contend for one lock.
            draining: self.draining.child_token(),
        };
        self.tasks.spawn(connection.serve(stream, Places { _place: place, _of_address: address_place }));
    }

    /// Takes a place among all connections, and one among those of the address if these are limited. Returns `None` if
    /// either has too many.
    fn take_places(&self, peer: SocketAddr) -> Option<(OwnedSemaphorePermit, Option<OwnerPlace<IpAddr>>)> {
        let is_trusted = || self.front.settings().trusted_proxies.contains(peer.ip());
        let address_place = match &self.address_places {
            Some(places) if !is_trusted() => match places.take(network(peer.ip())) {
                Some(place) => Some(place),
                None => {
                    metrics::address_refused();
                    return None;
                }
            },
            _ => None,
        };
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            metrics::connection_refused();
            return None;
        };
        Some((place, address_place))
    }

    /// Lets every connection finish its request within the timeout, then closes it.
    async fn drain(mut self, timeout: Duration) {
        let ended_by_their_last_answer = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST_REQUESTS, ended_by_their_last_answer).await.is_ok() {
            return;
        }
        self.draining.cancel();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(timeout, ended).await.is_err() {
            tracing::warn!(
                connections = self.tasks.len(),
                "the drain timeout is over: the open connections are closed"
            );
        }
        self.tasks.shutdown().await;
    }
}
