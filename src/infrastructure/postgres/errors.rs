//! The errors of the driver.

use std::io;

use sqlx::postgres::{PgDatabaseError, PgSeverity};

use crate::application::shared::StoreError;
use crate::infrastructure::metrics::StoreErrorKind;

use super::metrics::ERRORS;

/// A server that does not take writes: a standby, or a primary that was demoted.
#[derive(Debug, thiserror::Error)]
#[error("this PostgreSQL is read-only: make DATABASE_URL lead to the primary")]
struct ReadOnly;

/// A server that did not answer last time. This time it was not asked.
#[derive(Debug, thiserror::Error)]
#[error("PostgreSQL cannot be reached")]
struct OutOfReach;

/// Counts an error of the driver, and classifies it.
pub(super) fn store_error(error: sqlx::Error) -> StoreError {
    let error = match error {
        sqlx::Error::PoolTimedOut => StoreError::Busy("all connections to PostgreSQL are in use"),
        sqlx::Error::Configuration(error) if error.is::<OutOfReach>() => {
            StoreError::Busy("PostgreSQL cannot be reached")
        }
        error if is_read_only(&error) => StoreError::Busy("this PostgreSQL does not take writes"),
        error => StoreError::Unreachable(Box::new(error)),
    };
    ERRORS.of(StoreErrorKind::of(&error)).increment(1);
    error
}

/// The error of a server that does not answer in time.
pub(super) fn timed_out() -> sqlx::Error {
    io::Error::new(io::ErrorKind::TimedOut, "PostgreSQL did not answer in time").into()
}

/// The error of a connection to a server that does not take writes.
pub(super) fn read_only() -> sqlx::Error {
    sqlx::Error::Configuration(ReadOnly.into())
}

/// The error of a server that does not answer at the moment, for a caller that did not try.
pub(super) fn out_of_reach() -> sqlx::Error {
    sqlx::Error::Configuration(OutOfReach.into())
}

/// Returns true if nobody can use the connection after this error.
pub(super) fn ends_connection(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(database) => {
            let severity = database.try_downcast_ref::<PgDatabaseError>().map(PgDatabaseError::severity);
            matches!(severity, Some(PgSeverity::Fatal | PgSeverity::Panic)) || is_read_only(error)
        }
        _ => true,
    }
}

/// Returns true if the server does not take writes. It has done nothing then.
fn is_read_only(error: &sqlx::Error) -> bool {
    match error {
        // read_only_sql_transaction
        sqlx::Error::Database(error) => error.code().as_deref() == Some("25006"),
        sqlx::Error::Configuration(error) => error.is::<ReadOnly>(),
        _ => false,
    }
}
