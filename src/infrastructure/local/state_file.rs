//! `local.json`: what runs where, for `make db-shell` and whoever else wants to look into the stores.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Error, directory};

pub(super) const NAME: &str = "local.json";

/// The processes of one `flashsale local`. It holds passwords.
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
    /// One line, for its owner only, replaced in one step: a reader sees the old or the new state.
    pub fn write(&self, data_dir: &Path) -> Result<(), Error> {
        let json = serde_json::to_string(self).expect("numbers and texts become JSON");
        directory::write_secret(&data_dir.join(NAME), format!("{json}\n").as_bytes())
    }
}

/// Where the stores of a running `flashsale local` are reached: the URLs of PostgreSQL and of Redis.
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
