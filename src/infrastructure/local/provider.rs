//! The stand-in payment provider: this program in a process of its own, with a database of its own.

use std::env;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde::Deserialize;
use sqlx::{AssertSqlSafe, Connection, Executor};

use crate::infrastructure::postgres::roles;

use super::child::command;
use super::process::{Goodbye, Launch, ServerProcess};
use super::{Error, PostgresServer, random_password};

const GOODBYE: Goodbye = &[(Signal::TERM, Duration::from_secs(10))];
const ANSWER_TIMEOUT: Duration = Duration::from_millis(500);

/// Name of its role and of its database.
const NAME: &str = "flashsale_provider";

/// A `flashsale provider` on 127.0.0.1. [`ProviderServer::restart`] keeps its port and secrets. Dropping it stops it. Every
/// method that starts or stops it blocks for a bounded time.
#[derive(Debug)]
pub(super) struct ProviderServer {
    setup: Setup,
    port: u16,
    process: ServerProcess,
}

/// The way to a provider.
#[derive(Debug, Clone, Deserialize)]
pub struct ProviderAccess {
    /// Its origin, `http://127.0.0.1:<port>`.
    pub url: String,
    /// The key that callers must send.
    pub key: String,
    /// The secret that signs its events.
    pub webhook_secret: String,
}

/// The properties that a restart keeps.
#[derive(Debug)]
struct Setup {
    program: PathBuf,
    log: PathBuf,
    database_url: String,
    webhook_url: String,
    key: String,
    webhook_secret: String,
}

impl ProviderServer {
    /// Starts one with its data in this PostgreSQL, and new secrets. It posts its events to `webhook_url`.
    pub fn start(database_url: String, log: &Path, webhook_url: String) -> Result<ProviderServer, Error> {
        let setup = Setup {
            program: env::current_exe().map_err(Error::io("find", Path::new("/proc/self/exe")))?,
            log: log.to_owned(),
            database_url,
            webhook_url,
            key: random_password(),
            webhook_secret: random_password(),
        };
        let (process, port) = setup.launch(None)?;
        Ok(ProviderServer { setup, port, process })
    }

    pub fn access(&self) -> ProviderAccess {
        let Setup { key, webhook_secret, .. } = &self.setup;
        let url = format!("http://{}:{}", Ipv4Addr::LOCALHOST, self.port);
        ProviderAccess { url, key: key.clone(), webhook_secret: webhook_secret.clone() }
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// Stops it cleanly.
    pub fn stop(&mut self) {
        self.process.stop();
    }

    /// Restarts it on the same port, with the same secrets and data.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.stop();
        (self.process, self.port) = self.setup.launch(Some(self.port))?;
        Ok(())
    }
}

impl Setup {
    fn launch(&self, port: Option<u16>) -> Result<(ServerProcess, u16), Error> {
        let launch = Launch { server: "the payment provider", log: &self.log, goodbye: GOODBYE, port };
        launch.run(|port| Ok(self.command(port)), |_, port| is_live(port).is_ok_and(|is_live| is_live))
    }

    fn command(&self, port: u16) -> Command {
        let mut command = command(&self.program, None, "TERM");
        command.arg("provider").args(["--listen", &format!("{}:{port}", Ipv4Addr::LOCALHOST)]);
        command.args(["--webhook-url", &self.webhook_url]);
        command.env("PROVIDER_DATABASE_URL", &self.database_url);
        command.env("PROVIDER_KEY", &self.key).env("WEBHOOK_SECRET", &self.webhook_secret);
        command
    }
}

fn is_live(port: u16) -> io::Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.write_all(b"GET /health/live HTTP/1.1\r\nhost: provider\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.1 200 "))
}

/// Creates the role and the database of the provider, unless they exist, and sets a new password. Returns their URL.
pub(super) async fn create_database(postgres: &PostgresServer) -> Result<String, sqlx::Error> {
    let mut superuser = roles::connect_unlogged(&postgres.url()).await?;
    for (existing, create) in [
        ("SELECT count(*) FROM pg_roles WHERE rolname = $1", format!("CREATE ROLE {NAME} LOGIN")),
        ("SELECT count(*) FROM pg_database WHERE datname = $1", format!("CREATE DATABASE {NAME} OWNER {NAME}")),
    ] {
        if sqlx::query_scalar::<_, i64>(existing).bind(NAME).fetch_one(&mut superuser).await? == 0 {
            superuser.execute(AssertSqlSafe(create)).await?;
        }
    }
    let password = random_password();
    superuser.execute(AssertSqlSafe(format!("ALTER ROLE {NAME} PASSWORD '{password}'"))).await?;
    superuser.close().await?;
    Ok(postgres.url_of(NAME, &password, NAME))
}
