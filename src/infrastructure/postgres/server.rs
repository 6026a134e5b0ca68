//! The server behind the pools, as all of them know it together.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection, Row};
use tokio::time::{sleep, timeout};

use super::errors::{out_of_reach, read_only, timed_out};

/// Longest time to open a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Longest time of a check.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// Pause between attempts to reach a server that did not answer.
const PROBE_EVERY: Duration = Duration::from_millis(100);

/// The state of a server. While it does not answer, one task tries to reach it, and nobody else waits for it.
#[derive(Debug)]
pub(super) struct Server {
    options: PgConnectOptions,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    is_out_of_reach: bool,
    /// The time up to which connections were used that must be checked, because another one has failed.
    doubted: Option<Instant>,
}

impl Server {
    /// The server with these options, which is taken to answer.
    pub fn new(options: PgConnectOptions) -> Arc<Self> {
        Arc::new(Server { options, state: Mutex::default() })
    }

    /// Fails at once if the server does not answer at the moment.
    pub fn expect_in_reach(&self) -> sqlx::Result<()> {
        if self.state().is_out_of_reach { Err(out_of_reach()) } else { Ok(()) }
    }

    /// Returns true if a connection that was last used then must be checked.
    pub fn doubts(&self, last_use: Instant) -> bool {
        self.state().doubted.is_some_and(|doubted| last_use <= doubted)
    }

    /// Notes that a connection has failed, so that others may have failed as well.
    pub fn doubt(&self) {
        self.state().doubted = Some(Instant::now());
    }

    /// Opens a connection with the options of a pool.
    pub async fn connect(self: &Arc<Self>, options: &PgConnectOptions) -> sqlx::Result<PgConnection> {
        let opened = open(options).await;
        if let Err(sqlx::Error::Io(error)) = &opened {
            self.lose(error);
        }
        opened
    }

    /// Fails unless the server answers on this connection, and takes writes.
    pub async fn check(self: &Arc<Self>, connection: &mut PgConnection) -> sqlx::Result<()> {
        self.check_within(CHECK_TIMEOUT, connection).await
    }

    /// Does the same with another timeout.
    pub async fn check_within(self: &Arc<Self>, time: Duration, connection: &mut PgConnection) -> sqlx::Result<()> {
        timeout(time, check(connection)).await.unwrap_or_else(|_| {
            self.lose(&io::ErrorKind::TimedOut.into());
            Err(timed_out())
        })
    }

    /// Refuses everybody until the server answers again.
    fn lose(self: &Arc<Self>, error: &io::Error) {
        if std::mem::replace(&mut self.state().is_out_of_reach, true) {
            return;
        }
        tracing::warn!(%error, "PostgreSQL does not answer: its callers are refused until it does");
        let server = Arc::downgrade(self);
        tokio::spawn(async move {
            // Without a pool nobody needs the server any more.
            while let Some(server) = server.upgrade() {
                match open(&server.options).await {
                    Err(sqlx::Error::Io(_)) => sleep(PROBE_EVERY).await,
                    // Any other error is an answer.
                    Ok(_) | Err(_) => {
                        tracing::info!("PostgreSQL answers again");
                        *server.state() = State { is_out_of_reach: false, doubted: Some(Instant::now()) };
                        return;
                    }
                }
            }
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn open(options: &PgConnectOptions) -> sqlx::Result<PgConnection> {
    let opening = async {
        let mut connection = options.connect().await?;
        check(&mut connection).await?;
        Ok(connection)
    };
    timeout(CONNECT_TIMEOUT, opening).await.unwrap_or_else(|_| Err(timed_out()))
}

async fn check(connection: &mut PgConnection) -> sqlx::Result<()> {
    // One round trip: nothing is prepared.
    let row = sqlx::raw_sql("SHOW transaction_read_only").fetch_one(connection).await?;
    match row.try_get(0)? {
        "off" => Ok(()),
        _ => Err(read_only()),
    }
}
