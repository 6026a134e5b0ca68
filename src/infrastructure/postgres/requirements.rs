//! The requirements on a PostgreSQL server.

use std::io;

use sqlx::FromRow;

use super::pool::Pool;
use super::statement::Statement;

/// Oldest supported major version.
const VERSION_MIN: i32 = 15;

/// A PostgreSQL that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("DATABASE_URL is not a PostgreSQL URL such as postgres://user:password@127.0.0.1/flashsale")]
    Url(#[source] sqlx::Error),
    #[error("DATABASE_URL names sslrootcert, but its sslmode does not check certificates: set `sslmode=verify-full`")]
    Unverified,
    #[error("PostgreSQL cannot be reached")]
    Unreachable(#[source] sqlx::Error),
    #[error("the certificate of PostgreSQL is not trusted: check `sslrootcert` and the host name in DATABASE_URL")]
    Untrusted(#[source] sqlx::Error),
    #[error("PostgreSQL is {0}: use version {VERSION_MIN} or later")]
    Old(String),
    #[error("PostgreSQL runs with fsync off, so it may lose what it has committed: set `fsync = on`")]
    NotDurable,
    #[error("PostgreSQL runs with full_page_writes off, so a crash may damage its tables: set `full_page_writes = on`")]
    TornPages,
    #[error(
        "the sessions of the service have synchronous_commit = {0} although they ask for `on`, so commits may be lost: \
         let DATABASE_URL lead to PostgreSQL itself, or to a pooler that passes `options` on"
    )]
    SettingsIgnored(String),
}

/// The properties of a server that decide if a commit survives a crash, as a session of the service has them.
#[derive(Debug, FromRow)]
struct Server {
    version_number: i32,
    version: String,
    fsync: String,
    full_page_writes: String,
    synchronous_commit: String,
}

/// Fails if the server is too old or may lose what it has committed.
pub(super) async fn check(pool: &Pool) -> Result<(), ConnectError> {
    let server = sqlx::query_as::<_, Server>(
        "SELECT current_setting('server_version_num')::integer AS version_number,
                current_setting('server_version') AS version,
                current_setting('fsync') AS fsync,
                current_setting('full_page_writes') AS full_page_writes,
                current_setting('synchronous_commit') AS synchronous_commit",
    );
    let server = Statement::Requirements.time(server.fetch_one(pool)).await.map_err(unreachable)?;
    server.check()
}

/// The error of a first statement.
fn unreachable(error: sqlx::Error) -> ConnectError {
    match &error {
        sqlx::Error::Tls(_) => ConnectError::Untrusted(error),
        // rustls refuses a certificate with this kind of error.
        sqlx::Error::Io(refused) if refused.kind() == io::ErrorKind::InvalidData => ConnectError::Untrusted(error),
        _ => ConnectError::Unreachable(error),
    }
}

impl Server {
    fn check(self) -> Result<(), ConnectError> {
        if self.version_number / 10_000 < VERSION_MIN {
            return Err(ConnectError::Old(self.version));
        }
        if self.fsync != "on" {
            return Err(ConnectError::NotDurable);
        }
        if self.full_page_writes != "on" {
            return Err(ConnectError::TornPages);
        }
        // Every session asks for it, and a request overrides the settings of server, database and role.
        if self.synchronous_commit != "on" {
            return Err(ConnectError::SettingsIgnored(self.synchronous_commit));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(version: (i32, &str), [fsync, full_page_writes, synchronous_commit]: [&str; 3]) -> Option<String> {
        let server = Server {
            version_number: version.0,
            version: version.1.to_owned(),
            fsync: fsync.to_owned(),
            full_page_writes: full_page_writes.to_owned(),
            synchronous_commit: synchronous_commit.to_owned(),
        };
        server.check().err().map(|error| error.to_string())
    }

    #[test]
    fn a_server_that_may_lose_commits_is_refused() {
        let on = ["on"; 3];
        assert_eq!(refusal((150_000, "15.0"), on), None);
        assert_eq!(refusal((180_006, "18.6"), on), None);
        let refused = |version, settings, remedy: &str| {
            let message = refusal(version, settings).expect("it is refused");
            assert!(message.contains(remedy), "{message}");
        };
        refused((149_999, "14.99"), on, "PostgreSQL is 14.99: use version 15 or later");
        let current = (150_000, "15.0");
        refused(current, ["off", "on", "on"], "set `fsync = on`");
        refused(current, ["on", "off", "on"], "set `full_page_writes = on`");
        for level in ["off", "local", "remote_write"] {
            refused(current, ["on", "on", level], &format!("synchronous_commit = {level}"));
        }
    }
}
