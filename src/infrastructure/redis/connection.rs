//! Connections to Redis.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use redis::{
    Client, Cmd, ErrorKind, FromRedisValue, IntoConnectionInfo, RedisError, ServerErrorKind, TlsCertificates, Value,
};
use tracing::Instrument;

use crate::application::shared::{EXPECTED_WAIT_MAX, StoreError, Turns};
use crate::domain::shared::Epoch;
use crate::domain::shared::limits::LIVE_SALES_MAX;
use crate::infrastructure::metrics::StoreErrorKind;

use super::groups::{Call, Groups};
use super::keys::SaleKeys;
use super::link::{Link, with_probes};
use super::metrics::{ERRORS, SCRIPT_DURATION};
use super::reply::{Reply, text};
use super::requirements::{self, ConnectError, unreachable};
use super::scripts::ScriptSet;

/// Epochs whose scripts are kept at hand: each live sale may have an epoch of its own.
const EPOCHS_MAX: usize = LIVE_SALES_MAX;

/// Lone calls that may be under way at the same time. Each is short, so a group waits for less than a millisecond of them.
const LONE_CALLS_MAX: usize = 32;

/// Lone calls that may wait for their turn.
const LONE_CALLS_WAITING_MAX: usize = 10_000;

/// Redis. Requests and the work that keeps sales going have a connection each, so that no number of requests delays that
/// work.
#[derive(Clone)]
pub struct RedisStore {
    pub(super) client: Client,
    pub(super) requests: Link,
    pub(super) control: Link,
    pub(super) groups: Arc<Groups>,
    /// Of calls for one request, on the connection of the groups.
    pub(super) lone_calls: Arc<Turns>,
    /// The scripts of the newest epochs.
    scripts: Arc<ArcSwap<Vec<Arc<ScriptSet>>>>,
}

impl RedisStore {
    /// Connects, and refuses a Redis that is too old, evicts keys, or forgets everything in a restart.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        let client = client(url)?;
        let open = async || Link::open(client.clone()).await.map_err(unreachable);
        let (requests, control) = (open().await?, open().await?);
        let lone_calls = Arc::new(Turns::new(LONE_CALLS_MAX, LONE_CALLS_WAITING_MAX, EXPECTED_WAIT_MAX));
        let (groups, scripts) = (Arc::default(), Arc::default());
        let store = RedisStore { client, requests, control, groups, lone_calls, scripts };
        let info: String = store.control.query(&redis::cmd("INFO")).await.map_err(unreachable)?;
        requirements::check(&info)?;
        Ok(store)
    }

    /// Runs one command of the work that keeps sales going.
    pub(super) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        self.control.query(command).await.map_err(store_error)
    }

    /// Runs several of its commands in one round trip.
    pub(super) async fn pipeline<T: FromRedisValue>(&self, pipeline: &redis::Pipeline) -> Result<T, StoreError> {
        self.control.pipeline(pipeline).await.map_err(store_error)
    }

    /// Runs a script once, in one round trip.
    pub(super) async fn run(&self, link: &Link, call: Call, args: &[&str]) -> Result<Reply, StoreError> {
        Reply::new(self.eval(link, call, args.iter().copied()).await?)
    }

    /// Calls a script.
    pub(super) async fn eval<'a>(
        &self,
        link: &Link,
        call: Call,
        args: impl Iterator<Item = &'a str>,
    ) -> Result<String, StoreError> {
        let Call { epoch, sale, script } = call;
        let scripts = self.scripts(epoch);
        let (keys, parts) = (SaleKeys::of(sale), script.keys());
        let mut command = redis::cmd("EVALSHA");
        command.arg(scripts.hash(script)).arg(parts.len());
        for part in parts {
            command.arg(keys.key(*part));
        }
        for arg in args {
            command.arg(arg);
        }
        let started = Instant::now();
        let span = tracing::debug_span!("script", ?script, %sale);
        let reply = link.query::<Value>(&command).instrument(span).await;
        SCRIPT_DURATION.of(script).record(started.elapsed().as_secs_f64());
        text(reply.map_err(store_error)?)
    }

    /// Returns the scripts of an epoch, hashed once.
    pub(super) fn scripts(&self, epoch: Epoch) -> Arc<ScriptSet> {
        if let Some(scripts) = self.scripts.load().iter().find(|scripts| scripts.epoch == epoch) {
            return scripts.clone();
        }
        let scripts = Arc::new(ScriptSet::new(epoch));
        self.scripts.rcu(|known| {
            let mut known: Vec<_> = known.iter().filter(|known| known.epoch != epoch).cloned().collect();
            known.push(scripts.clone());
            known.sort_by_key(|scripts| Reverse(scripts.epoch));
            known.truncate(EPOCHS_MAX);
            known
        });
        scripts
    }
}

/// Reads a URL. Its parameter `sslrootcert` has the meaning that it has in the URL of PostgreSQL: a file with the
/// certificates to trust.
fn client(url: &str) -> Result<Client, ConnectError> {
    let info = with_probes(url.into_connection_info().map_err(ConnectError::Url)?);
    let url = redis::parse_redis_url(url);
    let root = url.iter().flat_map(|url| url.query_pairs()).find(|(name, _)| name == "sslrootcert");
    let client = match root {
        None => Client::open(info),
        Some((_, file)) => {
            let root =
                std::fs::read(&*file).map_err(|error| ConnectError::RootCertificate(file.into_owned(), error))?;
            Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert: Some(root) })
        }
    };
    client.map_err(ConnectError::Url)
}

/// Counts an error of the driver, and classifies it.
pub(super) fn store_error(error: RedisError) -> StoreError {
    let error = classify(error);
    ERRORS.of(StoreErrorKind::of(&error)).increment(1);
    error
}

fn classify(error: RedisError) -> StoreError {
    match error.kind() {
        // A demoted primary may have lost what it decided last.
        ErrorKind::Server(ServerErrorKind::NoScript | ServerErrorKind::ReadOnly) => StoreError::Fenced,
        _ if error.code() == Some("UNBLOCKED") => StoreError::Fenced,
        ErrorKind::Server(ServerErrorKind::BusyLoading) => StoreError::Busy("Redis is loading its data"),
        ErrorKind::Server(ServerErrorKind::MasterDown) => StoreError::Busy("this Redis does not take writes"),
        _ if error.code() == Some("OOM") => StoreError::Busy("Redis has no memory left"),
        _ if error.is_connection_refusal() => StoreError::Busy("Redis cannot be reached"),
        ErrorKind::Server(_) | ErrorKind::UnexpectedReturnType | ErrorKind::Extension => {
            StoreError::Corrupt(error.to_string())
        }
        _ => StoreError::Unreachable(Box::new(error)),
    }
}
