//! `local.json`: the processes and addresses of `flashsale local`, for other commands and for `make db-shell`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Error, ProviderAccess, directory};

pub(super) const NAME: &str = "local.json";

/// The processes of one `flashsale local`. It contains passwords.
#[derive(Debug, Serialize)]
pub(super) struct State<'a> {
    pub service: Service,
    pub redis: Store<'a>,
    pub postgres: Postgres<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<Provider<'a>>,
}

#[derive(Debug, Serialize)]
pub(super) struct Service {
    pub pid: u32,
    pub listen: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Store<'a> {
    pub pid: u32,
    /// For people: of a user who may do everything.
    pub url: &'a str,
    /// Of a user who may do what the service needs.
    pub service_url: &'a str,
}

#[derive(Debug, Serialize)]
pub(super) struct Postgres<'a> {
    #[serde(flatten)]
    pub store: Store<'a>,
    /// Of the role that owns the tables.
    pub owner_url: &'a str,
}

/// The stand-in payment provider.
#[derive(Debug, Serialize)]
pub(super) struct Provider<'a> {
    pub pid: u32,
    pub url: &'a str,
    pub key: &'a str,
    pub webhook_secret: &'a str,
}

/// The addresses for the commands of the service.
#[derive(Debug)]
pub struct Urls {
    pub redis: String,
    pub postgres: String,
    /// PostgreSQL for migrations.
    pub owner: String,
    /// The stand-in payment provider, if one runs.
    pub provider: Option<ProviderAccess>,
}

impl State<'_> {
    /// Writes one line, readable by its owner only. A reader sees the old or the new state, never a part.
    pub fn write(&self, data_dir: &Path) -> Result<(), Error> {
        let json = serde_json::to_string(self).expect("numbers and strings can be written as JSON");
        directory::write_secret(&data_dir.join(NAME), format!("{json}\n").as_bytes())
    }
}

/// Returns the addresses of a running `flashsale local`.
pub fn running(data_dir: &Path) -> Result<Urls, Error> {
    #[derive(Deserialize)]
    struct Redis {
        service_url: String,
    }
    #[derive(Deserialize)]
    struct Postgres {
        service_url: String,
        owner_url: String,
    }
    #[derive(Deserialize)]
    struct Running {
        redis: Redis,
        postgres: Postgres,
        provider: Option<ProviderAccess>,
    }
    let path = data_dir.join(NAME);
    let json = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    let Running { redis, postgres, provider } =
        serde_json::from_str(&json).map_err(std::io::Error::from).map_err(Error::io("read", &path))?;
    Ok(Urls { redis: redis.service_url, postgres: postgres.service_url, owner: postgres.owner_url, provider })
}
