//! Redis with a replica.

use std::path::{Path, PathBuf};
use std::time::Duration;

use flashsale::infrastructure::local::RedisServer;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, FromRedisValue};
use tokio::time::{Instant, sleep};

use super::Error;
use super::clock::SteppedClock;
use super::store::Store;

/// Both servers know the same user, so that an instance may be led to either.
const SETTINGS: [&str; 4] =
    ["user chaos on >chaos ~* &* +@all", "masteruser chaos", "masterauth chaos", "repl-diskless-sync-delay 0"];
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
const SYNC_TIMEOUT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// One of the two servers.
pub struct Server {
    pub store: Store<RedisServer>,
    pub dir: PathBuf,
    pub url: String,
}

pub struct RedisPair {
    pub primary: Server,
    pub replica: Server,
    /// The clock of both, if a fault steps it. Redis is slower with it.
    pub clock: Option<SteppedClock>,
}

impl RedisPair {
    pub async fn start(dir: &Path, is_stepped: bool) -> Result<Self, Error> {
        let clock = is_stepped.then(|| SteppedClock::new(dir.join("redis-clock"))).transpose()?;
        let start = |name| Server::start(dir.join(name), clock.as_ref());
        let (primary, replica) = (start("redis-1")?, start("redis-2")?);
        let pair = RedisPair { primary, replica, clock };
        pair.replicate().await?;
        Ok(pair)
    }

    /// Makes the replica follow the primary, and waits until it has all data.
    pub async fn replicate(&self) -> Result<(), Error> {
        let port = port(&self.primary.url);
        self.replica.query::<()>(&["REPLICAOF", "127.0.0.1", port]).await?;
        let deadline = Instant::now() + SYNC_TIMEOUT;
        loop {
            let state: String = self.replica.query(&["INFO", "replication"]).await?;
            if state.contains("master_link_status:up") {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(Error::NotFired("the replica of Redis did not get the data".to_owned()));
            }
            sleep(POLL).await;
        }
    }

    /// Makes the replica a primary: it learns nothing more.
    pub async fn part(&self) -> Result<(), Error> {
        self.replica.query(&["REPLICAOF", "NO", "ONE"]).await
    }

    /// Exchanges the roles.
    pub fn swap(&mut self) {
        std::mem::swap(&mut self.primary, &mut self.replica);
    }
}

impl Server {
    fn start(dir: PathBuf, clock: Option<&SteppedClock>) -> Result<Self, Error> {
        let environment = clock.map(SteppedClock::environment);
        let environment: Vec<_> = environment.iter().flatten().map(|(name, value)| (*name, value.as_str())).collect();
        let server = RedisServer::start_in(&dir, &SETTINGS, &environment)?;
        let url = format!("redis://chaos:chaos@127.0.0.1:{}/", port(&server.url()));
        Ok(Server { store: Store::new(server), dir, url })
    }

    /// Runs one command.
    pub async fn query<T: FromRedisValue>(&self, words: &[&str]) -> Result<T, Error> {
        let mut connection = self.connect().await?;
        Ok(redis::cmd(words[0]).arg(&words[1..]).query_async(&mut connection).await?)
    }

    async fn connect(&self) -> Result<MultiplexedConnection, Error> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER_TIMEOUT))
            .set_response_timeout(Some(ANSWER_TIMEOUT));
        Ok(redis::Client::open(self.url.as_str())?.get_multiplexed_async_connection_with_config(&config).await?)
    }

    /// The directory of its append-only files.
    pub fn append_only_dir(&self) -> PathBuf {
        self.dir.join("appendonlydir")
    }
}

fn port(url: &str) -> &str {
    url.trim_end_matches('/').rsplit_once(':').map_or("", |(_, port)| port)
}
