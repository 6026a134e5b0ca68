//! Why a private store cannot be had. The texts are meant for whoever typed the command, and are complete: there is no
//! further source to print.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why a private store could not be started, restarted or described.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing was started; installing `packages` helps.
    #[error("{programs} not found: install with `apt-get install {packages}`")]
    NotInstalled { programs: String, packages: String },

    /// Another process holds the lock of this data directory.
    #[error("{} is in use by {holder}: stop that one, or choose another data directory", dir.display())]
    InUse { dir: PathBuf, holder: String },

    /// A directory with somebody else's files in it. Nothing in it was touched.
    #[error(
        "{} is not empty and was not made by flashsale (it has no {marker} file): choose another data directory",
        dir.display()
    )]
    NotOurs { dir: PathBuf, marker: &'static str },

    /// PostgreSQL refuses to run as root, and whom it runs as instead cannot get to its data.
    #[error(
        "PostgreSQL does not run as root but as `{user}`, who may not enter {}: choose a data directory outside of it, \
         such as /var/lib/flashsale, or allow it with `chmod o+x`",
        closed.display()
    )]
    OutOfReach { user: String, closed: PathBuf },

    /// PostgreSQL refuses to run as root, and this system has nobody else.
    #[error("PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody`: add one of them")]
    NoAccount,

    /// The server ended before it served.
    #[error("{server} did not start ({status}): {said}")]
    Failed { server: &'static str, status: String, said: String },

    /// The server runs but did not get ready in time; it has been killed.
    #[error("{server} was not ready after {} s; its log is {}", patience.as_secs(), log.display())]
    NotReady { server: &'static str, patience: Duration, log: PathBuf },

    #[error("no free port on 127.0.0.1: {0}")]
    NoPort(io::Error),

    #[error("no default data directory: HOME is not set")]
    NoHome,

    #[error("cannot {action} {}: {reason}", path.display())]
    Io { action: &'static str, path: PathBuf, reason: io::Error },
}

impl Error {
    /// For `map_err`: what was being done, and to which path.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        move |reason| Error::Io { action, path: path.to_owned(), reason }
    }
}
