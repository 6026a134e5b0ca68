//! Locks, epochs and the clock.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use crate::application::sale::ports::{Coordination, Lock, LockName, Probe};
use crate::application::shared::StoreError;
use crate::domain::shared::{Epoch, SaleId};

use super::connection::PgArchive;
use super::errors::store_error;
use super::pool::Pool;
use super::statement::Statement;

/// Time without a sign of life after which PostgreSQL ends the session of a lock, which frees the lock: its holder has
/// stopped, or cannot be reached.
const HOLDER_SILENCE_MAX: &str = "5s";

/// Interval between signs of life of the holder of a lock.
const SIGN_OF_LIFE_EVERY: Duration = Duration::from_secs(1);

/// Longest wait for the answer to a sign of life.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

#[async_trait]
impl Probe for PgArchive {
    async fn ping(&self) -> Result<(), StoreError> {
        Statement::Ping.run(sqlx::query!("SELECT 1 AS one").fetch_one(&self.pool)).await.map(|_one| ())
    }
}

#[async_trait]
impl Coordination for PgArchive {
    async fn try_lock(&self, name: LockName) -> Result<Option<Box<dyn Lock>>, StoreError> {
        let name = match name {
            LockName::Writer(sale) => format!("flashsale writer {sale}"),
            LockName::Recovery => "flashsale recovery".to_owned(),
        };
        // On a task of its own: if the caller is cancelled, the lock must not return to the pool with its connection.
        let pool = self.pool.clone();
        let locking = tokio::spawn(async move { lock(&pool, name).await });
        locking.await.map_err(|error| StoreError::Unreachable(Box::new(error)))?
    }

    async fn now(&self) -> Result<DateTime<Utc>, StoreError> {
        let now = sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#);
        Statement::Now.run(now.fetch_one(&self.pool)).await
    }

    async fn begin_epoch(&self, above: Epoch, sales: &[SaleId]) -> Result<Epoch, StoreError> {
        let sales: Vec<String> = sales.iter().map(SaleId::to_string).collect();
        let begun = sqlx::query_file_scalar!(
            "src/infrastructure/postgres/queries/begin_epoch.sql",
            above.0,
            &sales as &[String]
        );
        Statement::BeginEpoch.run(begun.fetch_one(&self.pool)).await.map(Epoch)
    }

    async fn end_restoration(&self, epoch: Epoch) -> Result<(), StoreError> {
        let ended = sqlx::query!("UPDATE ledger_cursors SET is_restoring = false WHERE epoch = $1", epoch.0);
        Statement::EndRestoration.run(ended.execute(&self.pool)).await.map(|_done| ())
    }
}

async fn lock(pool: &Pool, name: String) -> Result<Option<Box<dyn Lock>>, StoreError> {
    let mut lease = pool.lease().await.map_err(store_error)?;
    let locked = sqlx::query_file_scalar!("src/infrastructure/postgres/queries/try_lock.sql", name, HOLDER_SILENCE_MAX);
    match Statement::TryLock.time(locked.fetch_one(&mut *lease)).await {
        // The lock belongs to the connection, which leaves the pool while the lock is held.
        Ok(true) => Ok(Some(Box::new(HeldLock::new(lease.detach())))),
        Ok(false) => {
            let _returned = lease.end(Ok(()));
            Ok(None)
        }
        Err(error) => {
            // The connection may have the lock.
            drop(lease.detach());
            Err(store_error(error))
        }
    }
}

/// A session-level advisory lock: PostgreSQL gives it up when the connection ends, however it ends.
struct HeldLock {
    connection: Arc<Mutex<PgConnection>>,
    _signs_of_life: AbortOnDropHandle<()>,
}

impl HeldLock {
    fn new(connection: PgConnection) -> Self {
        let connection = Arc::new(Mutex::new(connection));
        let signs_of_life = tokio::spawn(give_signs_of_life(connection.clone()));
        HeldLock { connection, _signs_of_life: AbortOnDropHandle::new(signs_of_life) }
    }
}

#[async_trait]
impl Lock for HeldLock {
    async fn is_held(&mut self) -> bool {
        is_alive(&self.connection).await
    }
}

async fn give_signs_of_life(connection: Arc<Mutex<PgConnection>>) {
    while is_alive(&connection).await {
        sleep(SIGN_OF_LIFE_EVERY).await;
    }
}

async fn is_alive(connection: &Mutex<PgConnection>) -> bool {
    let mut connection = connection.lock().await;
    matches!(timeout(ANSWER_TIMEOUT, connection.ping()).await, Ok(Ok(())))
}
