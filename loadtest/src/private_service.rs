//! A service of our own, with its own stores, for the length of a run.

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

/// Enough for the service to finish what it does, and to stop its stores.
const STOP_PATIENCE: Duration = Duration::from_secs(40);
const START_PATIENCE: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(50);

/// All that the private service gets of our environment: none of its settings, so that it is the one we mean.
const KEPT: [&str; 2] = ["PATH", "LD_LIBRARY_PATH"];

/// A running `flashsale local`. Dropped without [`Private::stop`], it is killed, and its stores end with it.
pub struct Private {
    child: Child,
    data_dir: TempDir,
    program: PathBuf,
    log: PathBuf,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot start {}: {source}; build it with `cargo build`, or name it with --program", program.display())]
    Program { program: PathBuf, source: std::io::Error },
    #[error("a private service cannot be started: {0}")]
    Io(#[from] std::io::Error),
    #[error("the private service did not start: see {}", log.display())]
    NotStarted { log: PathBuf },
}

impl Private {
    /// Starts a fresh one that sells so many items. What it logs goes to `log`.
    pub fn start(program: &Path, items: u32, log: &Path) -> Result<Self, Error> {
        let data_dir = tempfile::Builder::new().prefix("flashsale-load-").tempdir()?;
        let log_file = File::create(log)?;
        let mut command = command(program, data_dir.path());
        command.args(["local", "--listen", "127.0.0.1:0", "--sale-items", &items.to_string()]);
        command.stdin(Stdio::null()).stdout(log_file.try_clone()?).stderr(log_file);
        // Ctrl-C reaches us alone: we still ask the service something before it may end.
        command.process_group(0).kill_on_drop(true);
        let child = command.spawn().map_err(|source| Error::Program { program: program.to_owned(), source })?;
        Ok(Private { child, data_dir, program: program.to_owned(), log: log.to_owned() })
    }

    /// Where it listens, once it says so: `http://host:port`.
    pub async fn origin(&mut self) -> Result<String, Error> {
        let deadline = Instant::now() + START_PATIENCE;
        while Instant::now() < deadline && self.child.try_wait()?.is_none() {
            let state = std::fs::read(self.data_dir.path().join("local.json")).ok();
            let state: Option<Value> = state.and_then(|text| serde_json::from_slice(&text).ok());
            if let Some(address) = state.as_ref().and_then(|state| state["service"]["listen"].as_str()) {
                return Ok(format!("http://{address}"));
            }
            sleep(POLL).await;
        }
        Err(Error::NotStarted { log: self.log.clone() })
    }

    /// `flashsale verify --json` on its stores.
    pub fn verification(&self) -> Command {
        let mut command = command(&self.program, self.data_dir.path());
        command.args(["verify", "--json"]);
        command
    }

    /// Ends it in good order, and deletes its data.
    pub async fn stop(mut self) {
        if let Some(pid) = self.child.id().and_then(|id| Pid::from_raw(id as i32)) {
            // It may have ended by itself meanwhile.
            let _sent = kill_process(pid, Signal::TERM);
        }
        if timeout(STOP_PATIENCE, self.child.wait()).await.is_err() {
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
