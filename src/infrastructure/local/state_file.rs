//! `local.json`: what runs where, for `make db-shell` and whoever else wants to look into the stores.

use std::path::Path;

use serde::Serialize;

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
