//! Connections to Redis.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, IntoConnectionInfo, RedisError, ServerErrorKind,
    Value,
};
use tracing::Instrument;

use crate::application::shared::StoreError;
use crate::domain::shared::Epoch;
use crate::domain::shared::SaleId;
use crate::infrastructure::metrics::StoreErrorKind;

use super::groups::Groups;
use super::history::History;
use super::keys::SaleKeys;
use super::metrics::{ERRORS, SCRIPT_DURATION};
use super::reply::{Reply, text};
use super::scripts::{ScriptName, ScriptSet};

/// Longest time for a command. A command that takes longer may or may not have happened.
const RESPONSE_TIMEOUT: Duration = Duration::from_millis(500);

/// Longest time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// Redis, on one connection that pipelines and reconnects by itself.
#[derive(Clone)]
pub struct RedisStore {
    pub(super) client: Client,
    pub(super) connection: ConnectionManager,
    pub(super) groups: Arc<Groups>,
    pub(super) history: Arc<History>,
    scripts: Arc<ArcSwap<ScriptSet>>,
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
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let client = Client::open(info).map_err(ConnectError::Url)?;
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(RESPONSE_TIMEOUT))
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_number_of_retries(1)
            .set_max_delay(Duration::from_millis(100));
        let manager = ConnectionManager::new_with_config(client.clone(), config);
        let connection = manager.await.map_err(ConnectError::Unreachable)?;
        let scripts = Arc::new(ArcSwap::from_pointee(ScriptSet::new(Epoch(0))));
        let store = RedisStore { client, connection, groups: Arc::default(), history: Arc::default(), scripts };
        store.refuse_old_versions().await?;
        store.refuse_eviction().await?;
        Ok(store)
    }

    /// Before version 7, Redis kept scripts in its data set, so a restart would go unnoticed.
    async fn refuse_old_versions(&self) -> Result<(), ConnectError> {
        let mut command = redis::cmd("INFO");
        command.arg("server");
        let info: String =
            command.query_async(&mut self.connection.clone()).await.map_err(ConnectError::Unreachable)?;
        let version =
            info.lines().find_map(|line| line.strip_prefix("redis_version:")).unwrap_or("of no known version");
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        if major.is_some_and(|major| major >= 7) { Ok(()) } else { Err(ConnectError::Old(version.to_owned())) }
    }

    async fn refuse_eviction(&self) -> Result<(), ConnectError> {
        let mut command = redis::cmd("CONFIG");
        command.arg("GET").arg("maxmemory-policy");
        let mut connection = self.connection.clone();
        let policy: Vec<String> = match command.query_async(&mut connection).await {
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

    /// Opens a connection for commands that wait for up to `wait`.
    pub(super) async fn dedicated(&self, wait: Duration) -> Result<MultiplexedConnection, StoreError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(wait + RESPONSE_TIMEOUT));
        self.client.get_multiplexed_async_connection_with_config(&config).await.map_err(store_error)
    }

    /// Runs one command.
    pub(super) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        command.query_async(&mut self.connection.clone()).await.map_err(store_error)
    }

    /// Runs several commands in one round trip.
    pub(super) async fn pipeline<T: FromRedisValue>(&self, pipeline: &redis::Pipeline) -> Result<T, StoreError> {
        pipeline.query_async(&mut self.connection.clone()).await.map_err(store_error)
    }

    /// Runs a script of an epoch for one request, in one round trip.
    pub(super) async fn run(
        &self,
        epoch: Epoch,
        sale: SaleId,
        script: ScriptName,
        args: &[&str],
    ) -> Result<Reply, StoreError> {
        Reply::new(self.eval(epoch, sale, script, args.iter().copied()).await?)
    }

    /// Calls a script of an epoch.
    pub(super) async fn eval<'a>(
        &self,
        epoch: Epoch,
        sale: SaleId,
        script: ScriptName,
        args: impl Iterator<Item = &'a str>,
    ) -> Result<String, StoreError> {
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
        let reply = self.query::<Value>(&command).instrument(span).await;
        SCRIPT_DURATION.of(script).record(started.elapsed().as_secs_f64());
        text(reply?)
    }

    /// Returns the scripts of an epoch, hashed once.
    pub(super) fn scripts(&self, epoch: Epoch) -> Arc<ScriptSet> {
        let scripts = self.scripts.load_full();
        if scripts.epoch == epoch {
            return scripts;
        }
        let scripts = Arc::new(ScriptSet::new(epoch));
        self.scripts.store(scripts.clone());
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
