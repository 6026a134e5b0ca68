//! Connections to Redis that are replaced when they hang.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection, PubSub};
use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::TcpKeepalive;
use redis::{AsyncConnectionConfig, Client, Cmd, ConnectionInfo, FromRedisValue, Pipeline, RedisError, RedisResult};
use tokio::time::{sleep, timeout};

/// Longest time for a command. A command that takes longer may or may not have happened.
pub(super) const RESPONSE_TIMEOUT: Duration = Duration::from_millis(500);

/// Longest time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// Commands in a row without an answer in time after which their connection is given up. One alone may have been slow.
const UNANSWERED_MAX: u32 = 2;

/// Pause between attempts to reach a Redis that did not answer.
const PROBE_EVERY: Duration = Duration::from_millis(50);

/// Time after which the kernel gives up a connection whose bytes nobody acknowledges.
#[cfg(target_os = "linux")]
const USER_TIMEOUT: Duration = Duration::from_secs(9);

/// A connection that pipelines. It reconnects after it was closed, and is given up when it hangs: the host of Redis may
/// have vanished without closing it. Until a probe is answered, commands then fail at once. Clones share it.
#[derive(Clone)]
pub(super) struct Link {
    client: Client,
    /// None while Redis does not answer.
    current: Arc<ArcSwapOption<Connection>>,
}

struct Connection {
    manager: ConnectionManager,
    /// The last commands that were not answered in time.
    unanswered: AtomicU32,
}

impl Link {
    /// Connects.
    pub async fn open(client: Client) -> RedisResult<Self> {
        let connection = Connection::open(client.clone()).await?;
        Ok(Link { client, current: Arc::new(ArcSwapOption::from_pointee(connection)) })
    }

    /// Runs one command.
    pub async fn query<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        let connection = self.connection()?;
        let reply = command.query_async(&mut connection.manager.clone()).await;
        self.note(&connection, &reply);
        reply
    }

    /// Runs several commands in one round trip.
    pub async fn pipeline<T: FromRedisValue>(&self, pipeline: &Pipeline) -> RedisResult<T> {
        let connection = self.connection()?;
        let reply = pipeline.query_async(&mut connection.manager.clone()).await;
        self.note(&connection, &reply);
        reply
    }

    fn connection(&self) -> RedisResult<Arc<Connection>> {
        let out_of_reach = || io::Error::new(io::ErrorKind::ConnectionRefused, "Redis did not answer").into();
        self.current.load_full().ok_or_else(out_of_reach)
    }

    /// Gives the connection up if Redis does not answer. Commands that wait for it keep it until their timeout.
    fn note<T>(&self, connection: &Arc<Connection>, reply: &RedisResult<T>) {
        if !connection.is_lost_after(reply) {
            return;
        }
        let present = self.current.compare_and_swap(&Some(connection.clone()), None);
        if present.as_ref().is_some_and(|present| Arc::ptr_eq(present, connection)) {
            tracing::warn!("Redis does not answer: its callers are refused until it does");
            tokio::spawn(reconnect(self.client.clone(), Arc::downgrade(&self.current)));
        }
    }
}

/// Tries to reach Redis until it answers, unless the link is dropped.
async fn reconnect(client: Client, link: Weak<ArcSwapOption<Connection>>) {
    while link.strong_count() > 0 {
        match Connection::open(client.clone()).await {
            Ok(connection) => {
                tracing::info!("Redis answers again");
                link.upgrade().inspect(|link| link.store(Some(Arc::new(connection))));
                return;
            }
            Err(_) => sleep(PROBE_EVERY).await,
        }
    }
}

impl Connection {
    fn new(manager: ConnectionManager) -> Self {
        Connection { manager, unanswered: AtomicU32::new(0) }
    }

    /// Opens a connection on which Redis answers.
    async fn open(client: Client) -> RedisResult<Self> {
        let mut manager = ConnectionManager::new_with_config(client, config()).await?;
        let _pong: String = redis::cmd("PING").query_async(&mut manager).await?;
        Ok(Connection::new(manager))
    }

    /// Returns true if the connection cannot be opened again, and once if too many commands in a row were not answered.
    fn is_lost_after<T>(&self, reply: &RedisResult<T>) -> bool {
        if reply.as_ref().is_err_and(RedisError::is_connection_refusal) {
            return true;
        }
        if reply.as_ref().is_err_and(RedisError::is_timeout) {
            return self.unanswered.fetch_add(1, Ordering::Relaxed) + 1 == UNANSWERED_MAX;
        }
        // Nearly every command is answered: those write nothing that others read.
        if self.unanswered.load(Ordering::Relaxed) > 0 {
            self.unanswered.store(0, Ordering::Relaxed);
        }
        false
    }
}

fn config() -> ConnectionManagerConfig {
    ConnectionManagerConfig::new()
        .set_response_timeout(Some(RESPONSE_TIMEOUT))
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_number_of_retries(1)
        .set_max_delay(Duration::from_millis(100))
}

/// Makes the kernel notice a host that vanished, also while nothing is sent.
pub(super) fn with_probes(info: ConnectionInfo) -> ConnectionInfo {
    let probes =
        TcpKeepalive::new().with_time(Duration::from_secs(5)).with_interval(Duration::from_secs(2)).with_retries(2);
    let settings = TcpSettings::default().set_nodelay(true).set_keepalive(probes);
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(USER_TIMEOUT);
    info.set_tcp_settings(settings)
}

/// Opens a connection for commands that block. Each of them needs a timeout of its own.
pub(super) async fn open_blocking(client: &Client) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(RESPONSE_TIMEOUT));
    client.get_multiplexed_async_connection_with_config(&config).await
}

/// Opens a connection that receives the messages of a channel.
pub(super) async fn open_subscription(client: &Client, channel: &str) -> RedisResult<PubSub> {
    within(CONNECT_TIMEOUT + RESPONSE_TIMEOUT, async {
        let mut connection = client.get_async_pubsub().await?;
        connection.subscribe(channel).await?;
        Ok(connection)
    })
    .await
}

/// Waits for a reply for at most this time.
pub(super) async fn within<T>(limit: Duration, reply: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    timeout(limit, reply).await.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Connection {
        let client = Client::open("redis://127.0.0.1:1/").unwrap();
        Connection::new(ConnectionManager::new_lazy_with_config(client, config()).unwrap())
    }

    fn unanswered() -> RedisResult<()> {
        Err(io::Error::from(io::ErrorKind::TimedOut).into())
    }

    #[tokio::test]
    async fn commands_in_a_row_without_an_answer_mean_that_the_connection_hangs() {
        let connection = connection();
        assert_eq!([(); 4].map(|()| connection.is_lost_after(&unanswered())), [false, true, false, false]);
    }

    #[tokio::test]
    async fn a_slow_command_between_answers_does_not() {
        let connection = connection();
        let failed = || RedisResult::<()>::Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
        for answer in [Ok(()), failed(), Ok(())] {
            assert!(!connection.is_lost_after(&unanswered()));
            assert!(!connection.is_lost_after(&answer));
        }
    }
}
