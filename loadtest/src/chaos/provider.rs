//! The stand-in payment provider: a process with a PostgreSQL of its own, which no fault of the service's stores touches.

use std::collections::HashMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use flashsale::infrastructure::local::free_port;
use rustix::process::Signal;
use sqlx::Row;
use tokio::process::Child;

use super::Error;
use super::postgres_pair::Server;
use super::proxy::Proxy;
use super::store::signal;
use crate::private_service::{bare_command, spawn, stop};

/// The key of the service at the provider, and the secret of the events.
pub const KEY: &str = "the key of the chaos run";
pub const SECRET: &str = "the webhook secret of the chaos run";

/// The provider. It keeps its address when it starts again.
pub struct Provider {
    pub address: SocketAddr,
    pub database: Server,
    /// Between the provider and the instance that gets its events.
    pub webhooks: Option<Proxy>,
    program: PathBuf,
    log: PathBuf,
    child: Option<Child>,
}

/// The charges of an order that were not refunded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Charges {
    pub count: i64,
    pub amount: i64,
}

const CHARGES: &str = "
    SELECT order_id, count(*) AS count, sum(amount)::bigint AS amount FROM provider.intents
    WHERE status = 'succeeded' AND refunded = 0 GROUP BY order_id";

impl Provider {
    /// Prepares a provider and its database.
    pub fn new(program: &Path, logs: &Path, dir: &Path) -> Result<Self, Error> {
        Ok(Provider {
            address: SocketAddr::from(([127, 0, 0, 1], free_port()?)),
            database: Server::start(dir.join("provider"), None)?,
            webhooks: None,
            program: program.to_owned(),
            log: logs.join("provider.log"),
            child: None,
        })
    }

    /// Sends the events to the instance at this origin, and starts the process.
    pub async fn start(&mut self, origin: &str) -> Result<(), Error> {
        self.webhooks = Some(Proxy::before(origin).await);
        self.launch(&[])
    }

    /// Starts the process with these options.
    pub fn launch(&mut self, options: &[&str]) -> Result<(), Error> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = bare_command(&self.program);
        command.args(["provider", "--listen", &self.address.to_string()]).args(options);
        if let Some(webhooks) = &self.webhooks {
            command.args(["--webhook-url", &format!("{}/payments/webhook", webhooks.url)]);
        }
        command.env("PROVIDER_DATABASE_URL", &self.database.url).env("PROVIDER_KEY", KEY).env("WEBHOOK_SECRET", SECRET);
        self.child = Some(spawn(command, &self.program, log)?);
        Ok(())
    }

    /// Ends every fault that it may be under, and starts it if it does not run.
    pub fn heal(&mut self) -> Result<(), Error> {
        if let Some(pid) = self.pid() {
            // Fails if the process has ended.
            let _continued = signal(pid, Signal::CONT);
        }
        let has_ended = match &mut self.child {
            Some(child) => child.try_wait()?.is_some(),
            None => true,
        };
        if has_ended { self.launch(&[]) } else { Ok(()) }
    }

    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// Kills the process and waits for its end.
    pub async fn kill(&mut self) -> Result<u32, Error> {
        let mut child = self.child.take().ok_or_else(|| Error::NotFired("the provider does not run".to_owned()))?;
        let pid = child.id().ok_or_else(|| Error::NotFired("the provider has ended".to_owned()))?;
        child.kill().await?;
        Ok(pid)
    }

    /// Stops the process with SIGTERM.
    pub async fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            stop(&mut child).await;
        }
    }

    /// Reads the charges by order, without the code of the provider.
    pub async fn charges(&self) -> Result<HashMap<String, Charges>, Error> {
        let rows = sqlx::query(CHARGES).fetch_all(&mut self.database.connect().await?).await?;
        let charges = |row: &sqlx::postgres::PgRow| {
            Ok((row.try_get("order_id")?, Charges { count: row.try_get("count")?, amount: row.try_get("amount")? }))
        };
        rows.iter().map(charges).collect()
    }
}
