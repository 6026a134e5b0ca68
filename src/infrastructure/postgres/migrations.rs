//! The migrations of the schema, up and down.

use std::collections::HashSet;

use sqlx::migrate::{MigrateError, Migrator};

use super::connection::PgArchive;
use super::pool::Pool;
use super::statement::Statement;

/// The migrations, each with its way up and its way down.
static MIGRATOR: Migrator = sqlx::migrate!();

/// The rights of the role of `flashsale serve`. A migration that adds a table adds it here.
const GRANTS: &str = include_str!("grants.sql");

/// One migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    pub version: i64,
    pub description: String,
    pub is_applied: bool,
}

/// The loss of data that reverting a migration means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    pub migration: String,
    /// The tables that it drops, each with its number of rows.
    pub tables: Vec<(String, i64)>,
}

impl PgArchive {
    /// Applies all pending migrations, and grants the role of `flashsale serve` its rights.
    pub async fn migrate_up(&self) -> Result<(), MigrateError> {
        let mut connection = self.pool.lease().await?;
        MIGRATOR.run(&mut *connection).await?;
        sqlx::raw_sql(GRANTS).execute(&mut *connection).await?;
        Ok(())
    }

    /// Reverts the last applied migration and drops the data in its tables. Does nothing on an empty schema.
    pub async fn migrate_down(&self) -> Result<(), MigrateError> {
        let applied: Vec<Migration> = self.migrations().await?.into_iter().filter(|step| step.is_applied).collect();
        match applied.as_slice() {
            [] => Ok(()),
            [.., before, _last] => self.undo(before.version).await,
            [_only] => self.undo(0).await,
        }
    }

    /// Returns the loss that [`PgArchive::migrate_down`] would be; `None` on an empty schema.
    pub async fn loss_of_migrate_down(&self) -> Result<Option<Loss>, MigrateError> {
        let applied = self.migrations().await?.into_iter().rfind(|step| step.is_applied);
        let Some(Migration { version, description, .. }) = applied else { return Ok(None) };
        let mut tables = Vec::new();
        for table in dropped_tables(version) {
            // Not checked when compiling: the name comes from the script of the migration.
            let count = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
            tables.push((table.to_owned(), sqlx::query_scalar(count).fetch_one(&self.pool).await?));
        }
        Ok(Some(Loss { migration: description, tables }))
    }

    async fn undo(&self, target: i64) -> Result<(), MigrateError> {
        MIGRATOR.undo(&mut *self.pool.lease().await?, target).await
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

/// Returns the tables that the way down of a migration drops.
fn dropped_tables(version: i64) -> impl Iterator<Item = &'static str> {
    let down = MIGRATOR.iter().find(|step| step.version == version && step.migration_type.is_down_migration());
    let statements = down.into_iter().flat_map(|step| step.sql.as_str().split(';'));
    statements.filter_map(|statement| statement.trim().strip_prefix("DROP TABLE "))
}

async fn applied(pool: &Pool) -> Result<HashSet<i64>, sqlx::Error> {
    let table = sqlx::query_scalar!(r#"SELECT to_regclass('_sqlx_migrations') IS NOT NULL AS "exists!""#);
    if !Statement::Migrations.time(table.fetch_one(pool)).await? {
        return Ok(HashSet::new());
    }
    // Not checked at compile time: the table belongs to sqlx.
    let versions = sqlx::query_scalar::<_, i64>("SELECT version FROM _sqlx_migrations WHERE success");
    Ok(Statement::Migrations.time(versions.fetch_all(pool)).await?.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_that_a_way_down_drops_are_known() {
        let of_purchases: Vec<_> = dropped_tables(2).collect();
        assert_eq!(of_purchases, ["released_units", "purchase_units", "purchases"]);
        assert_eq!(dropped_tables(99).count(), 0);
    }
}
