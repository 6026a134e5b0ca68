//! Connections to Redis.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use redis::{Client, Cmd, ErrorKind, FromRedisValue, IntoConnectionInfo, RedisError, ServerErrorKind, Value};
use tracing::Instrument;

use crate::application::shared::StoreError;
use crate::domain::shared::Epoch;
use crate::domain::shared::limits::LIVE_SALES_MAX;
use crate::infrastructure::metrics::StoreErrorKind;

use super::groups::{Call, Groups};
use super::keys::SaleKeys;
use super::link::{Link, with_probes};
use super::metrics::{ERRORS, SCRIPT_DURATION};
use super::reply::{Reply, text};
use super::scripts::ScriptSet;

/// Epochs whose scripts are kept at hand: each live sale may have an epoch of its own.
const EPOCHS_MAX: usize = LIVE_SALES_MAX;

/// Redis. Requests and the work that keeps sales going have a connection each, so that no number of requests delays that
/// work.
#[derive(Clone)]
pub struct RedisStore {
    pub(super) client: Client,
    pub(super) requests: Link,
    pub(super) control: Link,
    pub(super) groups: Arc<Groups>,
    /// The scripts of the newest epochs.
    scripts: Arc<ArcSwap<Vec<Arc<ScriptSet>>>>,
}

/// A Redis that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("REDIS_URL is not a Redis URL such as redis://127.0.0.1:6379")]
    Url(#[source] RedisError),
    #[error("Redis cannot be reached")]
    Unreachable(#[source] RedisError),
    #[error("Redis is {0}: at least version 7.0 is needed")]
    Old(String),
    #[error(
        "Redis has the maxmemory-policy {0}, with which it forgets sold items when its memory is full: \
         set `maxmemory-policy noeviction`"
    )]
    Evicting(String),
}

impl RedisStore {
    /// Connects, and refuses a Redis that is too old or evicts keys.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        let info = url.into_connection_info().map_err(ConnectError::Url)?;
        let client = Client::open(with_probes(info)).map_err(ConnectError::Url)?;
        let open = async || Link::open(client.clone()).await.map_err(ConnectError::Unreachable);
        let (requests, control) = (open().await?, open().await?);
        let store = RedisStore { client, requests, control, groups: Arc::default(), scripts: Arc::default() };
        store.refuse_old_versions().await?;
        store.refuse_eviction().await?;
        Ok(store)
    }

    /// Before version 7, Redis kept scripts in its data set, so a restart would go unnoticed.
    async fn refuse_old_versions(&self) -> Result<(), ConnectError> {
        let mut command = redis::cmd("INFO");
        command.arg("server");
        let info: String = self.control.query(&command).await.map_err(ConnectError::Unreachable)?;
        let version =
            info.lines().find_map(|line| line.strip_prefix("redis_version:")).unwrap_or("of no known version");
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        if major.is_some_and(|major| major >= 7) { Ok(()) } else { Err(ConnectError::Old(version.to_owned())) }
    }

    async fn refuse_eviction(&self) -> Result<(), ConnectError> {
        let mut command = redis::cmd("CONFIG");
        command.arg("GET").arg("maxmemory-policy");
        let policy: Vec<String> = match self.control.query(&command).await {
            Ok(policy) => policy,
            Err(error) if matches!(error.kind(), ErrorKind::Server(_)) => {
                tracing::warn!("Redis does not show its maxmemory-policy: make sure that it is noeviction");
                return Ok(());
            }
            Err(error) => return Err(ConnectError::Unreachable(error)),
        };
        match policy.get(1) {
            Some(policy) if policy != "noeviction" => Err(ConnectError::Evicting(policy.clone())),
            _ => Ok(()),
        }
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
