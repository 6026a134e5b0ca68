//! The servers of `flashsale local` in one data directory, kept running: two stores, and a payment provider if one is
//! wanted.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use crate::infrastructure::backoff::Backoff;
use crate::infrastructure::postgres::roles;

use super::directory::{self, Lock};
use super::provider::{self, ProviderAccess, ProviderServer};
use super::state_file::{self, Service, State};
use super::{Error, PostgresServer, RedisServer, postgres, programs, random_password, redis};

/// Interval between checks that a server runs.
const WATCH_EVERY: Duration = Duration::from_millis(100);

/// A private Redis and PostgreSQL with their data in `<data-dir>/redis` and `<data-dir>/postgres`. The data directory
/// is locked against other processes. Dropping this stops them; [`Stores::stop`] does so without blocking the runtime.
#[derive(Debug)]
pub struct Stores {
    data_dir: PathBuf,
    pub(super) redis: Kept<RedisServer>,
    pub(super) postgres: Kept<PostgresServer>,
    /// After [`Stores::start_provider`].
    provider: Option<(Kept<ProviderServer>, ProviderAccess)>,
    /// URL of the role that owns the tables.
    owner_url: String,
    /// If set, no server is started.
    stopping: Arc<AtomicBool>,
    /// Address of the service, after [`Stores::publish`].
    listen: Mutex<Option<SocketAddr>>,
    _lock: Lock,
}

impl Stores {
    /// Starts both with the data in `data_dir`, which is created if it is missing. `fresh` deletes the data of both
    /// first. A directory that flashsale did not create is never deleted.
    pub async fn start(data_dir: &Path, fresh: bool) -> Result<Stores, Error> {
        let data_dir = data_dir.to_owned();
        spawn_blocking(move || Self::start_blocking(&data_dir, fresh))
            .await
            .expect("starting the stores does not panic")
    }

    fn start_blocking(data_dir: &Path, fresh: bool) -> Result<Stores, Error> {
        programs::check_installed()?;
        let data_dir = directory::prepare(data_dir)?;
        directory::let_through(&data_dir)?;
        let lock = Lock::take(&data_dir)?;
        remove_state(&data_dir);
        let (redis_dir, postgres_dir) = (data_dir.join("redis"), data_dir.join("postgres"));
        redis::end_leftover_in(&redis_dir);
        postgres::end_leftover_in(&postgres_dir);
        let postgres = PostgresServer::start(&directory::claim(&postgres_dir, fresh)?)?;
        let redis = RedisServer::start(&directory::claim(&redis_dir, fresh)?)?;
        let (owner_url, service_url) = create_roles(&postgres)?;
        Ok(Stores {
            data_dir,
            redis: Kept::new(redis.url(), redis.service_url(), redis),
            postgres: Kept::new(postgres.url(), service_url, postgres),
            provider: None,
            owner_url,
            stopping: Arc::default(),
            listen: Mutex::default(),
            _lock: lock,
        })
    }

    /// Starts a stand-in payment provider, which posts its events to `webhook_url`. Its data are a database of its own in
    /// the private PostgreSQL, and new secrets protect it.
    pub async fn start_provider(&mut self, webhook_url: String) -> Result<ProviderAccess, Error> {
        let (postgres, log) = (self.postgres.server.clone(), self.data_dir.join("provider.log"));
        let start = move || {
            let database_url = Handle::current().block_on(provider::create_database(&lock(&postgres)))?;
            ProviderServer::start(database_url, &log, webhook_url)
        };
        let server = spawn_blocking(start).await.expect("starting the provider does not panic")?;
        let access = server.access();
        self.provider = Some((Kept::new(access.url.clone(), access.url.clone(), server), access.clone()));
        Ok(access)
    }

    /// Returns the URL of Redis for the service. A restart does not change it.
    pub fn redis_url(&self) -> &str {
        &self.redis.service_url
    }

    /// Returns the URL of PostgreSQL for the service. A restart does not change it.
    pub fn postgres_url(&self) -> &str {
        &self.postgres.service_url
    }

    /// Returns the URL of PostgreSQL for migrations. A restart does not change it.
    pub fn owner_url(&self) -> &str {
        &self.owner_url
    }

    /// Returns the keys of tokens in `<data-dir>/token-keys`, which are made at first: tickets outlast a restart.
    pub fn token_keys(&self) -> Result<String, Error> {
        let path = self.data_dir.join("token-keys");
        match fs::read_to_string(&path) {
            Ok(keys) => Ok(keys),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let secret = BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
                let keys = format!("local:HS256:{secret}");
                directory::write_secret(&path, keys.as_bytes()).map(|()| keys)
            }
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }

    /// Writes `<data-dir>/local.json`, readable by its owner only: this process, its address, and all servers.
    /// [`Stores::supervise`] updates it when a server gets another pid, and [`Stores::stop`] deletes it.
    pub fn publish(&self, listen: SocketAddr) -> Result<(), Error> {
        *lock(&self.listen) = Some(listen);
        self.write_state()
    }

    /// Restarts a server whenever it has died, on the same port, with the same secrets and data. The pause before a
    /// restart grows if a server keeps dying. Ends after [`Stores::stop`]. May be dropped at any time.
    pub async fn supervise(&self) {
        let keep_provider = async {
            if let Some((provider, _)) = &self.provider {
                self.keep_running(provider).await;
            }
        };
        tokio::join!(self.keep_running(&self.redis), self.keep_running(&self.postgres), keep_provider);
    }

    /// Stops all servers cleanly and deletes `local.json`.
    pub async fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        // It needs PostgreSQL to end its requests.
        if let Some((provider, _)) = &self.provider {
            provider.stop().await;
        }
        tokio::join!(self.redis.stop(), self.postgres.stop());
        let _nobody_is_writing_it = lock(&self.listen);
        remove_state(&self.data_dir);
    }

    async fn keep_running<S: Server>(&self, server: &Kept<S>) {
        let mut backoff = Backoff::default();
        while !self.stopping.load(Ordering::SeqCst) {
            tokio::time::sleep(WATCH_EVERY).await;
            if server.is_running() {
                continue;
            }
            tracing::warn!(
                server = S::NAME,
                pid = server.pid.load(Ordering::SeqCst),
                "a server has died: restarting it"
            );
            tokio::time::sleep(backoff.pause(Instant::now())).await;
            match server.restart(self.stopping.clone()).await.and_then(|()| self.write_state()) {
                Ok(()) => tracing::info!(server = S::NAME, pid = server.pid.load(Ordering::SeqCst), "server restarted"),
                Err(error) => tracing::error!(server = S::NAME, %error, "a server was not restarted"),
            }
        }
    }

    fn write_state(&self) -> Result<(), Error> {
        // Held during the write, so that the newest state is written last.
        let listen = lock(&self.listen);
        let Some(listen) = *listen else { return Ok(()) };
        if self.stopping.load(Ordering::SeqCst) {
            return Ok(());
        }
        let service = Service { pid: process::id(), listen: listen.to_string() };
        let postgres = state_file::Postgres { store: self.postgres.state(), owner_url: &self.owner_url };
        let provider = self.provider.as_ref().map(|(server, access)| state_file::Provider {
            pid: server.pid.load(Ordering::SeqCst),
            url: &access.url,
            key: &access.key,
            webhook_secret: &access.webhook_secret,
        });
        State { service, redis: self.redis.state(), postgres, provider }.write(&self.data_dir)
    }
}

/// Creates the roles of the service with new passwords, also in data of a version that had none. Returns the URLs of the
/// owner of the tables and of the service.
fn create_roles(postgres: &PostgresServer) -> Result<(String, String), Error> {
    let (owner, service) = (random_password(), random_password());
    Handle::current().block_on(roles::create(&postgres.url(), &owner, &service))?;
    let url = |role, password: &str| postgres.url_of(role, password, postgres::NAME);
    Ok((url(roles::OWNER, &owner), url(roles::SERVICE, &service)))
}

/// A server. Its methods block.
pub(super) trait Server: Send + 'static {
    const NAME: &'static str;

    fn pid(&self) -> u32;
    fn is_running(&mut self) -> bool;
    fn restart(&mut self) -> Result<(), Error>;
    fn stop(&mut self);
}

macro_rules! server {
    ($server:ident, $name:literal) => {
        impl Server for $server {
            const NAME: &'static str = $name;

            fn pid(&self) -> u32 {
                self.pid()
            }

            fn is_running(&mut self) -> bool {
                self.is_running()
            }

            fn restart(&mut self) -> Result<(), Error> {
                self.restart()
            }

            fn stop(&mut self) {
                self.stop();
            }
        }
    };
}

server!(RedisServer, "redis");
server!(PostgresServer, "postgres");
server!(ProviderServer, "provider");

/// A server, with its pid and URLs, which can be read while the server is locked.
#[derive(Debug)]
pub(super) struct Kept<S> {
    server: Arc<Mutex<S>>,
    pid: Arc<AtomicU32>,
    /// URL of a user who may do everything.
    pub url: String,
    service_url: String,
}

impl<S: Server> Kept<S> {
    fn new(url: String, service_url: String, server: S) -> Self {
        Kept { pid: Arc::new(server.pid().into()), server: Arc::new(Mutex::new(server)), url, service_url }
    }

    fn state(&self) -> state_file::Store<'_> {
        let pid = self.pid.load(Ordering::SeqCst);
        state_file::Store { pid, url: &self.url, service_url: &self.service_url }
    }

    /// Returns true if it runs, and while it is being started or stopped.
    fn is_running(&self) -> bool {
        match self.server.try_lock() {
            Ok(mut server) => server.is_running(),
            Err(TryLockError::Poisoned(server)) => server.into_inner().is_running(),
            Err(TryLockError::WouldBlock) => true,
        }
    }

    /// Restarts the server unless `stopping` is set. [`Stores::stop`] sets it, and then waits for the lock.
    async fn restart(&self, stopping: Arc<AtomicBool>) -> Result<(), Error> {
        let (server, pid) = (self.server.clone(), self.pid.clone());
        let restart = move || {
            let mut server = lock(&server);
            if stopping.load(Ordering::SeqCst) {
                return Ok(());
            }
            server.restart()?;
            pid.store(server.pid(), Ordering::SeqCst);
            Ok(())
        };
        spawn_blocking(restart).await.expect("restarting a server does not panic")
    }

    async fn stop(&self) {
        let server = self.server.clone();
        spawn_blocking(move || lock(&server).stop()).await.expect("stopping a server does not panic");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Deletes `local.json` if it exists.
fn remove_state(data_dir: &Path) {
    let _ = fs::remove_file(data_dir.join(state_file::NAME));
}
