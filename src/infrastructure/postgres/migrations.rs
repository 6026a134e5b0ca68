//! The migrations of the schema, up and down.

use std::collections::HashSet;

use sqlx::PgPool;
use sqlx::migrate::{MigrateError, Migrator};

use super::connection::PgArchive;

/// The migrations, each with its way up and down.
static MIGRATOR: Migrator = sqlx::migrate!();

/// One migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    pub version: i64,
    pub description: String,
    pub is_applied: bool,
}

impl PgArchive {
    /// Applies all pending migrations.
    pub async fn migrate_up(&self) -> Result<(), MigrateError> {
        MIGRATOR.run(&self.pool).await
    }

    /// Reverts the last applied migration and drops the data in its tables. Does nothing on an empty schema.
    pub async fn migrate_down(&self) -> Result<(), MigrateError> {
        let applied: Vec<Migration> = self.migrations().await?.into_iter().filter(|step| step.is_applied).collect();
        match applied.as_slice() {
            [] => Ok(()),
            [.., before, _last] => MIGRATOR.undo(&self.pool, before.version).await,
            [_only] => MIGRATOR.undo(&self.pool, 0).await,
        }
    }

    /// Lists all migrations, first to last.
    pub async fn migrations(&self) -> Result<Vec<Migration>, MigrateError> {
        let applied = applied(&self.pool).await?;
        let steps = MIGRATOR.iter().filter(|step| step.migration_type.is_up_migration());
        let migration = |step: &sqlx::migrate::Migration| Migration {
            version: step.version,
            description: step.description.to_string(),
            is_applied: applied.contains(&step.version),
        };
        Ok(steps.map(migration).collect())
    }
}

async fn applied(pool: &PgPool) -> Result<HashSet<i64>, sqlx::Error> {
    let table = sqlx::query_scalar!(r#"SELECT to_regclass('_sqlx_migrations') IS NOT NULL AS "exists!""#);
    if !table.fetch_one(pool).await? {
        return Ok(HashSet::new());
    }
    // Not checked at compile time: the table belongs to sqlx.
    let versions = sqlx::query_scalar::<_, i64>("SELECT version FROM _sqlx_migrations WHERE success");
    Ok(versions.fetch_all(pool).await?.into_iter().collect())
}
