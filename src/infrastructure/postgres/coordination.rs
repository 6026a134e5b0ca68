//! Locks and epochs.

use async_trait::async_trait;
use sqlx::{Connection, PgConnection, PgPool};

use crate::application::sale::ports::{Coordination, Lock, LockName, Probe};
use crate::application::shared::StoreError;
use crate::domain::shared::Epoch;

use super::connection::{PgArchive, store_error};
use super::statement::Statement;

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

    async fn epoch(&self) -> Result<Epoch, StoreError> {
        let number = sqlx::query_scalar!("SELECT number FROM epoch");
        Statement::Epoch.run(number.fetch_one(&self.pool)).await.map(Epoch)
    }

    async fn raise_epoch(&self) -> Result<Epoch, StoreError> {
        let raised = sqlx::query_scalar!("UPDATE epoch SET number = number + 1 RETURNING number");
        Statement::RaiseEpoch.run(raised.fetch_one(&self.pool)).await.map(Epoch)
    }
}

async fn lock(pool: &PgPool, name: String) -> Result<Option<Box<dyn Lock>>, StoreError> {
    let mut connection = pool.acquire().await.map_err(store_error)?;
    let locked = sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS "locked!""#, name);
    let locked = Statement::TryLock.run(locked.fetch_one(&mut *connection)).await?;
    // The lock belongs to the connection, which leaves the pool while the lock is held.
    Ok(locked.then(|| Box::new(HeldLock { connection: connection.detach() }) as Box<dyn Lock>))
}

/// A session-level advisory lock: PostgreSQL gives it up when the connection ends, however it ends.
struct HeldLock {
    connection: PgConnection,
}

#[async_trait]
impl Lock for HeldLock {
    async fn is_held(&mut self) -> bool {
        self.connection.ping().await.is_ok()
    }
}
