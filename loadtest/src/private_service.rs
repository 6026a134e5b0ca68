//! A private service with its own stores, started for one run.

use std::env;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
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
    /// Starts a service with a new sale of this many items. It logs to `log`.
    pub fn start(program: &Path, items: u32, log: &Path) -> Result<Self, Error> {
        let data_dir = tempfile::Builder::new().prefix("flashsale-load-").tempdir()?;
        let log_file = File::create(log)?;
        let mut command = command(program, data_dir.path());
        command.args(["local", "--listen", "127.0.0.1:0", "--sale-items", &items.to_string()]);
        command.stdin(Stdio::null()).stdout(log_file.try_clone()?).stderr(log_file);
        // Ctrl-C must reach only the load test, which then stops the service.
        command.process_group(0).kill_on_drop(true);
        let child = command.spawn().map_err(|source| Error::Program { program: program.to_owned(), source })?;
        Ok(PrivateService { child, data_dir, program: program.to_owned(), log: log.to_owned() })
    }

    /// Waits until the service listens. Returns its origin, `http://host:port`.
    pub async fn origin(&mut self) -> Result<String, Error> {
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline && self.child.try_wait()?.is_none() {
            // The file may not exist yet, or not be complete.
            let state = std::fs::read(self.data_dir.path().join("local.json")).ok();
            let state: Option<Value> = state.and_then(|text| serde_json::from_slice(&text).ok());
            if let Some(address) = state.as_ref().and_then(|state| state["service"]["listen"].as_str()) {
                return Ok(format!("http://{address}"));
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

    /// Shuts the service down and deletes its data.
    pub async fn stop(mut self) {
        if let Some(pid) = self.child.id().and_then(|id| Pid::from_raw(id as i32)) {
            // Fails if the process has ended already.
            let _sent = kill_process(pid, Signal::TERM);
        }
        if timeout(STOP_TIMEOUT, self.child.wait()).await.is_err() {
            let _killed = self.child.kill().await;
        }
    }
}

fn command(program: &Path, data_dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(KEPT.iter().filter_map(|name| Some((name, env::var_os(name)?))));
    command.env("DATA_DIR", data_dir);
    command
}
