//! `local.json`: the processes and addresses of `flashsale local`, for other commands and for `make db-shell`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Error, directory};

pub(super) const NAME: &str = "local.json";

/// The processes of one `flashsale local`. It contains passwords.
#[derive(Debug, Serialize)]
pub(super) struct State<'a> {
    pub service: Service,
    pub redis: Store<'a>,
    pub postgres: Store<'a>,
}

#[derive(Debug, Serialize)]
pub(super) struct Service {
    pub pid: u32,
    pub listen: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Store<'a> {
    pub pid: u32,
    pub url: &'a str,
}

impl State<'_> {
    /// Writes one line, readable by its owner only. A reader sees the old or the new state, never a part.
    pub fn write(&self, data_dir: &Path) -> Result<(), Error> {
        let json = serde_json::to_string(self).expect("numbers and strings can be written as JSON");
        directory::write_secret(&data_dir.join(NAME), format!("{json}\n").as_bytes())
    }
}

/// Returns the URLs of PostgreSQL and Redis of a running `flashsale local`.
pub fn running(data_dir: &Path) -> Result<(String, String), Error> {
    #[derive(Deserialize)]
    struct Url {
        url: String,
    }
    #[derive(Deserialize)]
    struct Urls {
        postgres: Url,
        redis: Url,
    }
    let path = data_dir.join(NAME);
    let json = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    let urls: Urls = serde_json::from_str(&json).map_err(std::io::Error::from).map_err(Error::io("read", &path))?;
    Ok((urls.postgres.url, urls.redis.url))
}
