//! A pool of connections to PostgreSQL that keeps none that hangs and none that does not take writes.
//!
//! The pool of sqlx waits without a bound for a connection that it takes back, so a connection that hangs keeps its place
//! for good. It also asks the server before and after each statement. This one asks only when a connection was idle for a
//! while, or when another one has failed.

use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt, TryFutureExt, TryStreamExt};
use sqlx::postgres::{PgConnectOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Describe, Either, Execute, Executor, PgConnection, Postgres, SqlStr};
use tokio::runtime::Handle;

use crate::application::shared::{Turn, Turns};

use super::errors::ends_connection;
use super::server::Server;

/// Time for which an idle connection is trusted without a check.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// Time after which an idle connection is closed.
const IDLE_MAX: Duration = Duration::from_secs(300);

/// Time for which a connection is leased at most, if its statement was abandoned. It exceeds the timeouts that the server
/// has for a statement, so a connection that has not answered by then hangs.
pub(super) const LEASE_MAX: Duration = Duration::from_secs(5);

/// A pool of connections. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Pool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    server: Arc<Server>,
    options: PgConnectOptions,
    turns: Turns,
    idle: Mutex<IdleConnections>,
    /// Held while a connection is opened.
    connecting: Arc<tokio::sync::Mutex<()>>,
}

/// The idle connections of a pool, the one that was used last at the end.
#[derive(Debug, Default)]
struct IdleConnections(Vec<Idle>);

#[derive(Debug)]
struct Idle {
    connection: PgConnection,
    since: Instant,
}

impl Pool {
    /// A pool without connections to this server. `turns` bounds the connections in use, and the wait for one.
    pub fn new(server: Arc<Server>, options: PgConnectOptions, turns: Turns) -> Self {
        Pool(Arc::new(Inner { server, options, turns, idle: Mutex::default(), connecting: Arc::default() }))
    }

    /// Leases a connection that can be used. Fails at once while the server does not answer.
    pub async fn lease(&self) -> sqlx::Result<Lease> {
        self.0.server.expect_in_reach()?;
        let mut turn = self.0.turns.take().await.ok_or(sqlx::Error::PoolTimedOut)?;
        loop {
            if let Some(connection) = self.0.reuse().await {
                return Ok(Lease { pool: self.clone(), since: Instant::now(), leased: Some((connection, turn)) });
            }
            turn = self.connect(turn).await?;
        }
    }

    /// Opens an idle connection, unless there is one. One at a time: if many began together on a busy machine, none might
    /// end in time. If the caller is cancelled, it goes on, so that the next caller need not begin again.
    async fn connect(&self, turn: Turn) -> sqlx::Result<Turn> {
        let alone = self.0.connecting.clone().lock_owned().await;
        self.0.server.expect_in_reach()?;
        if self.idle() > 0 {
            return Ok(turn);
        }
        let pool = self.clone();
        let connecting = tokio::spawn(async move {
            let _alone = alone;
            let opened = pool.0.server.connect(&pool.0.options).await?;
            pool.0.idle().push(opened);
            Ok(turn)
        });
        connecting.await.unwrap_or_else(|error| Err(io::Error::other(error).into()))
    }

    /// Returns the number of connections that may be in use.
    pub fn connections_max(&self) -> usize {
        self.0.turns.running_max()
    }

    /// Returns the number of connections in use.
    pub fn in_use(&self) -> usize {
        self.0.turns.running()
    }

    /// Returns the number of idle connections.
    pub fn idle(&self) -> usize {
        self.0.idle().0.len()
    }
}

impl Inner {
    /// Takes the idle connection that was used last, unless it cannot be used any more.
    async fn reuse(&self) -> Option<PgConnection> {
        let Idle { mut connection, since } = self.idle().0.pop()?;
        if since.elapsed() < TRUSTED_FOR && !self.server.doubts(since) {
            return Some(connection);
        }
        match self.server.check(&mut connection).await {
            Ok(()) => Some(connection),
            Err(error) => {
                tracing::info!(%error, "a connection to PostgreSQL is replaced");
                // The others were used even earlier.
                self.idle().0.retain(|idle| idle.since > since);
                None
            }
        }
    }

    fn idle(&self) -> MutexGuard<'_, IdleConnections> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IdleConnections {
    fn push(&mut self, connection: PgConnection) {
        self.0.retain(|idle| idle.since.elapsed() < IDLE_MAX);
        self.0.push(Idle { connection, since: Instant::now() });
    }
}

/// A connection in use. If it is dropped before [`Lease::end`], the pool takes it back once its statement is answered,
/// unless that takes longer than [`LEASE_MAX`].
#[derive(Debug)]
pub(super) struct Lease {
    pool: Pool,
    since: Instant,
    leased: Option<(PgConnection, Turn)>,
}

impl Lease {
    /// Gives the connection back after an answer, or closes it if the answer shows that it cannot be used any more.
    pub fn end<T>(mut self, answer: sqlx::Result<T>) -> sqlx::Result<T> {
        let (connection, _turn) = self.leased.take().unwrap_or_else(|| unreachable!("{LEASED}"));
        match &answer {
            Err(error) if ends_connection(error) => self.pool.0.server.doubt(),
            _ => self.pool.0.idle().push(connection),
        }
        answer
    }

    /// Takes the connection out of the pool. To drop it closes it.
    pub fn detach(mut self) -> PgConnection {
        self.leased.take().unwrap_or_else(|| unreachable!("{LEASED}")).0
    }
}

const LEASED: &str = "a lease has a connection until it ends";

impl Deref for Lease {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.leased.as_ref().unwrap_or_else(|| unreachable!("{LEASED}")).0
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.leased.as_mut().unwrap_or_else(|| unreachable!("{LEASED}")).0
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some((mut connection, turn)) = self.leased.take() else { return };
        let (pool, rest) = (self.pool.clone(), LEASE_MAX.saturating_sub(self.since.elapsed()));
        let settle = async move {
            // This also rolls back an open transaction.
            if pool.0.server.check_within(rest, &mut connection).await.is_ok() {
                pool.0.idle().push(connection);
            }
            drop(turn);
        };
        // Without a runtime the process ends, and the connection with it.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(settle);
        }
    }
}

/// Runs each statement on a connection of the pool.
impl<'p> Executor<'p> for &'p Pool {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, sqlx::Result<Either<PgQueryResult, PgRow>>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let answer = async move {
            let mut lease = self.lease().await?;
            let steps: sqlx::Result<Vec<_>> = lease.fetch_many(query).try_collect().await;
            lease.end(steps)
        };
        answer.map_ok(|steps| stream::iter(steps).map(Ok)).try_flatten_stream().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<PgRow>>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        async move {
            let mut lease = self.lease().await?;
            let row = lease.fetch_optional(query).await;
            lease.end(row)
        }
        .boxed()
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [PgTypeInfo]) -> BoxFuture<'e, sqlx::Result<PgStatement>>
    where
        'p: 'e,
    {
        async move {
            let mut lease = self.lease().await?;
            let statement = lease.prepare_with(sql, parameters).await;
            lease.end(statement)
        }
        .boxed()
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, sqlx::Result<Describe<Postgres>>>
    where
        'p: 'e,
    {
        async move {
            let mut lease = self.lease().await?;
            let description = lease.describe(sql).await;
            lease.end(description)
        }
        .boxed()
    }
}
