//! A TCP proxy between an instance and a store, with network faults on command.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// A fault of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Every byte is acknowledged and lost, in both directions, and no end of a stream arrives: a half-open connection.
    BlackHole,
    /// Requests arrive, and their answers are lost.
    LostAnswers,
    /// Every byte arrives after this time.
    Delay(Duration),
    /// Both ends see the connection closed.
    Cut,
}

/// A proxy in front of one store. It forwards until a fault begins, and ends with its connections when it is dropped.
pub struct Proxy {
    /// The URL of the store, with the address of the proxy.
    pub url: String,
    shared: Arc<Shared>,
    _server: AbortOnDropHandle<()>,
}

struct Shared {
    /// The fault of connections that are opened from now on.
    future: Mutex<Option<Fault>>,
    /// The faults of the open connections.
    open: Mutex<Vec<watch::Sender<Option<Fault>>>>,
}

impl Proxy {
    /// Starts a proxy in front of the store with this URL.
    pub async fn before(url: &str) -> Self {
        let after_user = url.rfind('@').map_or(0, |at| at + 1);
        let end = url[after_user..].find('/').map_or(url.len(), |length| after_user + length);
        let store: SocketAddr = url[after_user..end].parse().expect("the URL has an address");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(Shared { future: Mutex::default(), open: Mutex::default() });
        let server = tokio::spawn(serve(listener, store, shared.clone()));
        let url = format!("{}{address}{}", &url[..after_user], &url[end..]);
        Proxy { url, shared, _server: AbortOnDropHandle::new(server) }
    }

    /// Begins a fault on the open connections. Later ones work.
    pub fn strike_open(&self, fault: Fault) {
        for connection in self.shared.open().iter() {
            connection.send_replace(Some(fault));
        }
    }

    /// Begins a fault on the open connections and on later ones.
    pub fn strike(&self, fault: Fault) {
        *self.shared.future() = Some(fault);
        self.strike_open(fault);
    }

    /// Ends the fault for connections that have lost nothing, and for later ones.
    pub fn heal(&self) {
        *self.shared.future() = None;
        for connection in self.shared.open().iter() {
            connection.send_if_modified(|fault| {
                let is_curable = matches!(fault, Some(Fault::Delay(_)));
                *fault = fault.filter(|_| !is_curable);
                is_curable
            });
        }
    }

    /// Returns the number of open connections.
    pub fn connections(&self) -> usize {
        self.shared.open().len()
    }
}

impl Shared {
    /// Adds a connection, with the fault that it begins with.
    fn add(&self) -> watch::Receiver<Option<Fault>> {
        let (mut open, future) = (self.open(), self.future());
        let (sender, fault) = watch::channel(*future);
        open.push(sender);
        fault
    }

    /// Returns the open connections: somebody still forwards for each.
    fn open(&self) -> MutexGuard<'_, Vec<watch::Sender<Option<Fault>>>> {
        let mut open = self.open.lock().expect("no thread panicked");
        open.retain(|connection| connection.receiver_count() > 0);
        open
    }

    fn future(&self) -> MutexGuard<'_, Option<Fault>> {
        self.future.lock().expect("no thread panicked")
    }
}

async fn serve(listener: TcpListener, store: SocketAddr, shared: Arc<Shared>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.expect("a listener accepts");
        let fault = shared.add();
        connections.spawn(async move {
            // A store that is down: the client sees its connection closed.
            let Ok(store) = TcpStream::connect(store).await else { return };
            for socket in [&client, &store] {
                socket.set_nodelay(true).expect("a socket has options");
            }
            let ((from_client, to_client), (from_store, to_store)) = (client.into_split(), store.into_split());
            let requests = forward(from_client, to_store, fault.clone(), |_| false);
            let answers = forward(from_store, to_client, fault, |fault| fault == Fault::LostAnswers);
            // Either end closes the connection for both.
            tokio::select! { () = requests => {}, () = answers => {} }
        });
    }
}

/// Forwards one direction until the end of the stream, or until the connection is cut.
async fn forward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut fault: watch::Receiver<Option<Fault>>,
    is_lost: impl Fn(Fault) -> bool,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read.unwrap_or(0),
            _ = fault.wait_for(|fault| *fault == Some(Fault::Cut)) => return,
        };
        let present = *fault.borrow();
        match present {
            Some(Fault::Cut) => return,
            // Nobody ever learns that the stream has ended.
            Some(Fault::BlackHole) if read == 0 => std::future::pending().await,
            Some(Fault::BlackHole) => continue,
            Some(fault) if is_lost(fault) && read > 0 => continue,
            Some(Fault::Delay(delay)) => tokio::time::sleep(delay).await,
            Some(Fault::LostAnswers) | None => {}
        }
        if read == 0 || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
