//! The roles of the service: see `roles.sql`.

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};

/// The role of `flashsale migrate`, which owns the tables.
pub const OWNER: &str = "flashsale_migrate";

/// The role of all other commands.
pub const SERVICE: &str = "flashsale_serve";

/// Connects without logging statements, which contain passwords.
pub async fn connect_unlogged(url: &str) -> Result<PgConnection, sqlx::Error> {
    url.parse::<PgConnectOptions>()?.disable_statement_logging().connect().await
}

/// Creates the roles in the database of a superuser, unless they exist, and sets their passwords. A password consists of
/// letters and digits.
pub async fn create(superuser_url: &str, owner_password: &str, service_password: &str) -> Result<(), sqlx::Error> {
    let mut superuser = connect_unlogged(superuser_url).await?;
    superuser.execute(include_str!("roles.sql")).await?;
    for (role, password) in [(OWNER, owner_password), (SERVICE, service_password)] {
        let change = format!("ALTER ROLE {role} PASSWORD '{password}'");
        superuser.execute(AssertSqlSafe(change)).await?;
    }
    superuser.close().await
}
