//! Errors of the private stores. Their texts are for the person who typed the command, and include the sources.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A private store that cannot be started, restarted or found.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Programs are missing. Nothing was started.
    #[error("{programs} not found: install with `apt-get install {packages}`")]
    NotInstalled { programs: String, packages: String },

    /// Another process holds the lock of the data directory.
    #[error("{} is in use by {holder}: stop that process, or choose another data directory", dir.display())]
    InUse { dir: PathBuf, holder: String },

    /// The directory contains other files. They were not touched.
    #[error(
        "{} is not empty and was not made by flashsale (it has no {marker} file): choose another data directory",
        dir.display()
    )]
    NotOurs { dir: PathBuf, marker: &'static str },

    /// PostgreSQL refuses to run as root, and the user that it runs as instead cannot reach its data.
    #[error(
        "PostgreSQL does not run as root but as `{user}`, which may not enter {}: choose a data directory outside of \
         it, such as /var/lib/flashsale, or allow it with `chmod o+x`",
        closed.display()
    )]
    OutOfReach { user: String, closed: PathBuf },

    /// PostgreSQL refuses to run as root, and there is no other user.
    #[error("PostgreSQL does not run as root, and neither the user `postgres` nor `nobody` exists: add one of them")]
    NoAccount,

    /// The server ended before it was ready.
    #[error("{server} did not start ({status}): {said}")]
    Failed { server: &'static str, status: String, said: String },

    /// The server was not ready in time and has been killed.
    #[error("{server} was not ready after {} s: see its log {}", patience.as_secs(), log.display())]
    NotReady { server: &'static str, patience: Duration, log: PathBuf },

    #[error("the roles of the private PostgreSQL cannot be created: {0}")]
    Roles(#[from] sqlx::Error),

    #[error("no port of 127.0.0.1 is free: {0}")]
    NoPort(io::Error),

    #[error("HOME is not set, so there is no default data directory: set DATA_DIR")]
    NoHome,

    #[error("cannot {action} {}: {reason}", path.display())]
    Io { action: &'static str, path: PathBuf, reason: io::Error },
}

impl Error {
    /// Returns a function for `map_err`, with the failed action and its path.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        move |reason| Error::Io { action, path: path.to_owned(), reason }
    }
}
