//! A TCP proxy between an instance and a store, with network faults on command. `loadtest chaos` compiles this file too.

mod requests;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use requests::Requests;

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
    store: Mutex<SocketAddr>,
    /// Local ports of the connections to the store.
    ports: Mutex<BTreeSet<u16>>,
    /// Bytes that faults have swallowed.
    swallowed: AtomicU64,
    /// The fault of connections that are opened from now on.
    future: Mutex<Option<Fault>>,
    /// The faults of the open connections.
    open: Mutex<Vec<watch::Sender<Option<Fault>>>>,
    trap: Mutex<Option<Trap>>,
}

/// A fault that begins with a request.
struct Trap {
    mark: Vec<u8>,
    fault: Fault,
}

impl Proxy {
    /// Starts a proxy in front of the store with this URL.
    pub async fn before(url: &str) -> Self {
        let (start, end) = address_in(url);
        let store = Mutex::new(url[start..end].parse().expect("the URL has an address"));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(Shared {
            store,
            ports: Mutex::default(),
            swallowed: AtomicU64::new(0),
            future: Mutex::default(),
            open: Mutex::default(),
            trap: Mutex::default(),
        });
        let server = tokio::spawn(serve(listener, shared.clone()));
        let url = format!("{}{address}{}", &url[..start], &url[end..]);
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
        *self.shared.trap() = None;
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

    /// Begins a fault on the first connection that sends a request with this mark, right before that request.
    pub fn strike_at(&self, mark: &str, fault: Fault) {
        *self.shared.trap() = Some(Trap { mark: mark.as_bytes().to_vec(), fault });
    }

    /// Returns true if no such request was sent yet.
    #[allow(dead_code, reason = "only `loadtest chaos` needs it")]
    pub fn is_armed(&self) -> bool {
        self.shared.trap().is_some()
    }

    /// Leads later connections to the store with this URL, and cuts the open ones.
    pub fn redirect(&self, url: &str) {
        let (start, end) = address_in(url);
        *self.shared.store() = url[start..end].parse().expect("the URL has an address");
        self.strike_open(Fault::Cut);
    }

    /// Returns true if the store sees this port at the other end of a connection.
    #[allow(dead_code, reason = "only `loadtest chaos` needs it")]
    pub fn has_port(&self, port: u16) -> bool {
        self.shared.ports().contains(&port)
    }

    /// Returns the number of bytes that faults have swallowed.
    pub fn swallowed(&self) -> u64 {
        self.shared.swallowed.load(Ordering::Relaxed)
    }
}

impl Shared {
    /// Adds a connection, with the fault that it begins with.
    fn add(&self) -> (watch::Sender<Option<Fault>>, watch::Receiver<Option<Fault>>) {
        let (mut open, future) = (self.open(), self.future());
        let (sender, fault) = watch::channel(*future);
        open.push(sender.clone());
        (sender, fault)
    }

    /// Returns the fault that begins with these bytes of a connection.
    fn spring(&self, requests: &mut Requests, bytes: &[u8]) -> Option<Fault> {
        let mut trap = self.trap();
        let is_meant = |text: &[u8]| trap.as_ref().is_some_and(|trap| trap.is_in(text));
        match requests.run(bytes, is_meant) {
            true => trap.take().map(|trap| trap.fault),
            false => None,
        }
    }

    /// Returns the open connections: somebody still forwards for each.
    fn open(&self) -> MutexGuard<'_, Vec<watch::Sender<Option<Fault>>>> {
        let mut open = self.open.lock().expect("no thread panicked");
        open.retain(|connection| connection.receiver_count() > 0);
        open
    }

    fn store(&self) -> MutexGuard<'_, SocketAddr> {
        self.store.lock().expect("no thread panicked")
    }

    fn ports(&self) -> MutexGuard<'_, BTreeSet<u16>> {
        self.ports.lock().expect("no thread panicked")
    }

    fn future(&self) -> MutexGuard<'_, Option<Fault>> {
        self.future.lock().expect("no thread panicked")
    }

    fn trap(&self) -> MutexGuard<'_, Option<Trap>> {
        self.trap.lock().expect("no thread panicked")
    }
}

impl Trap {
    fn is_in(&self, text: &[u8]) -> bool {
        text.windows(self.mark.len()).any(|part| part == self.mark)
    }
}

/// Returns the place of the address in a URL.
fn address_in(url: &str) -> (usize, usize) {
    let after = |mark: &str| url.rfind(mark).map(|at| at + mark.len());
    let start = after("@").or(after("://")).unwrap_or(0);
    (start, url[start..].find('/').map_or(url.len(), |length| start + length))
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.expect("a listener accepts");
        let ((striking, fault), store, shared) = (shared.add(), *shared.store(), shared.clone());
        connections.spawn(async move {
            // A store that is down: the client sees its connection closed.
            let Ok(store) = TcpStream::connect(store).await else { return };
            for socket in [&client, &store] {
                socket.set_nodelay(true).expect("a socket has options");
            }
            let port = store.local_addr().expect("a socket has an address").port();
            shared.ports().insert(port);
            let ((from_client, to_client), (from_store, to_store)) = (client.into_split(), store.into_split());
            let (swallowed, mut requests) = (&shared.swallowed, Requests::default());
            let spring = |bytes: &[u8]| {
                if let Some(fault) = shared.spring(&mut requests, bytes) {
                    striking.send_replace(Some(fault));
                }
            };
            let requests = forward(from_client, to_store, fault.clone(), swallowed, |_| false, spring);
            let is_lost = |fault| fault == Fault::LostAnswers;
            let answers = forward(from_store, to_client, fault, swallowed, is_lost, |_| {});
            // Either end closes the connection for both.
            tokio::select! { () = requests => {}, () = answers => {} }
            shared.ports().remove(&port);
        });
    }
}

/// Forwards one direction until the end of the stream, or until the connection is cut.
async fn forward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut fault: watch::Receiver<Option<Fault>>,
    swallowed: &AtomicU64,
    is_lost: impl Fn(Fault) -> bool,
    mut note: impl FnMut(&[u8]),
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read.unwrap_or(0),
            _ = fault.wait_for(|fault| *fault == Some(Fault::Cut)) => return,
        };
        note(&buffer[..read]);
        let present = *fault.borrow();
        let swallow = || swallowed.fetch_add(read as u64, Ordering::Relaxed);
        match present {
            Some(Fault::Cut) => return,
            // Nobody ever learns that the stream has ended.
            Some(Fault::BlackHole) if read == 0 => std::future::pending().await,
            Some(Fault::BlackHole) => {
                swallow();
                continue;
            }
            Some(fault) if is_lost(fault) && read > 0 => {
                swallow();
                continue;
            }
            Some(Fault::Delay(delay)) => tokio::time::sleep(delay).await,
            Some(Fault::LostAnswers) | None => {}
        }
        if read == 0 || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
