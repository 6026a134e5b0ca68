//! A private service with its own stores, started for one run.

use std::env;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// Enough time for the service to finish its requests and stop its stores.
const STOP_TIMEOUT: Duration = Duration::from_secs(40);
const START_TIMEOUT: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(50);

/// The environment variables that the private service inherits. Settings are not among them, so it runs with defaults.
const KEPT: [&str; 2] = ["PATH", "LD_LIBRARY_PATH"];

/// A running `flashsale local`. If it is dropped without [`PrivateService::stop`], it is killed and its stores end with
/// it.
pub struct PrivateService {
    child: Child,
    data_dir: TempDir,
    program: PathBuf,
    log: PathBuf,
}

/// The file `local.json` of the service.
#[derive(Debug, Clone, Deserialize)]
pub struct State {
    pub service: Service,
    pub redis: Store,
    pub postgres: Store,
    /// Present if the service has a stand-in payment provider.
    pub provider: Option<ProviderAccess>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Service {
    pub pid: u32,
    pub listen: SocketAddr,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Store {
    pub pid: u32,
    pub url: String,
}

/// The way to the payment provider.
#[derive(Debug, Clone, Deserialize)]
pub struct ProviderAccess {
    pub url: String,
    pub key: String,
}

/// An error that prevents the start of a private service.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot start {}: {source}; build it with `cargo build`, or name it with --program", program.display())]
    Program { program: PathBuf, source: std::io::Error },
    #[error("cannot start a private service: {0}")]
    Io(#[from] std::io::Error),
    #[error("the private service did not start: see its log, {}", log.display())]
    NotStarted { log: PathBuf },
}

impl PrivateService {
    /// Starts a service with new stores and these settings, as environment variables: others see a command line. It logs
    /// to `log`.
    pub fn start(program: &Path, settings: &[(&str, &str)], log: &Path) -> Result<Self, Error> {
        let data_dir = tempfile::Builder::new().prefix("flashsale-load-").tempdir()?;
        let log_file = File::create(log)?;
        let mut command = command(program, data_dir.path());
        command.args(["local", "--listen", "127.0.0.1:0"]).envs(settings.iter().copied());
        let child = spawn(command, program, log_file)?;
        Ok(PrivateService { child, data_dir, program: program.to_owned(), log: log.to_owned() })
    }

    /// Starts another instance with the same stores. The caller ends it with [`stop`] before the service.
    pub fn start_instance(&self, address: &str, settings: &[(&str, &str)]) -> Result<Child, Error> {
        let log_file = File::options().append(true).open(&self.log)?;
        let mut command = command(&self.program, self.data_dir.path());
        command.args(["serve", "--listen", address]).envs(settings.iter().copied());
        spawn(command, &self.program, log_file)
    }

    /// Waits until the service listens. Returns its processes and addresses.
    pub async fn state(&mut self) -> Result<State, Error> {
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline && self.child.try_wait()?.is_none() {
            // The file may not exist yet, or not be complete.
            let state = std::fs::read(self.data_dir.path().join("local.json")).ok();
            if let Some(state) = state.and_then(|text| serde_json::from_slice(&text).ok()) {
                return Ok(state);
            }
            sleep(POLL).await;
        }
        Err(Error::NotStarted { log: self.log.clone() })
    }

    /// Returns the command `flashsale verify --json` for the stores of this service.
    pub fn verify_command(&self) -> Command {
        let mut command = command(&self.program, self.data_dir.path());
        command.args(["verify", "--json"]);
        command
    }

    /// Shuts the service down. Its data are deleted when it is dropped.
    pub async fn stop(&mut self) {
        stop(&mut self.child).await;
    }
}

/// Shuts an instance down.
pub async fn stop(child: &mut Child) {
    if let Some(pid) = child.id().and_then(|id| Pid::from_raw(id as i32)) {
        // Fails if the process has ended already.
        let _sent = kill_process(pid, Signal::TERM);
    }
    if timeout(STOP_TIMEOUT, child.wait()).await.is_err() {
        let _killed = child.kill().await;
    }
}

/// Starts a program that logs to `log`, and that Ctrl-C does not reach.
pub fn spawn(mut command: Command, program: &Path, log: File) -> Result<Child, Error> {
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    // Ctrl-C must reach only the load test, which then stops the service.
    command.process_group(0).kill_on_drop(true);
    command.spawn().map_err(|source| Error::Program { program: program.to_owned(), source })
}

fn command(program: &Path, data_dir: &Path) -> Command {
    let mut command = bare_command(program);
    command.env("DATA_DIR", data_dir);
    command
}

/// Returns a command without the settings of this environment.
pub fn bare_command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(KEPT.iter().filter_map(|name| Some((name, env::var_os(name)?))));
    command
}
