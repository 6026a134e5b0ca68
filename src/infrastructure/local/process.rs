//! A server process: started until it is ready, stopped cleanly.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, setpriority_process};

use super::{Error, child, port::free_port};

/// Longest wait until a server is ready. A server that replays a long log after a crash takes a while.
const START_PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);
/// Pause between attempts to start a server that failed for one of the [`PASSING_REASONS`].
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// A server log that is longer than this is truncated when the server starts.
const LOG_BYTES_MAX: u64 = 16 << 20;
/// Lines of the output of a failed server that become part of the error.
const OUTPUT_LINES_MAX: usize = 12;

/// Output of a server that could not start for a temporary reason: another process took its port, or its predecessor
/// has not ended yet.
const PASSING_REASONS: [&str; 3] =
    ["Address already in use", "pre-existing shared memory block", "lock file \"postmaster.pid\" already exists"];

/// The signals that stop a server, each with the time to wait before the next one. The last one is `SIGKILL`.
pub(super) type Goodbye = &'static [(Signal, Duration)];

/// The start of a server.
pub(super) struct Launch<'a> {
    pub server: &'static str,
    pub log: &'a Path,
    pub goodbye: Goodbye,
    /// Port of the server; `None` means a free one, chosen again at each attempt.
    pub port: Option<u16>,
}

impl Launch<'_> {
    /// Starts the server and waits until `is_ready`. Retries while it fails for one of the [`PASSING_REASONS`].
    /// `command` is called before each attempt.
    pub fn run(
        &self,
        command: impl Fn(u16) -> Result<Command, Error>,
        is_ready: impl Fn(&ServerProcess, u16) -> bool,
    ) -> Result<(ServerProcess, u16), Error> {
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            let port = self.port.map_or_else(free_port, Ok).map_err(Error::NoPort)?;
            let (mut process, log_from) = self.spawn(command(port)?)?;
            let Some(status) = self.wait(&mut process, deadline, |process| is_ready(process, port))? else {
                return Ok((process, port));
            };
            let said = output_since(self.log, log_from);
            let passes = PASSING_REASONS.iter().any(|reason| said.contains(reason));
            if !passes || Instant::now() > deadline {
                return Err(Error::Failed { server: self.server, status: status.to_string(), said: last_lines(&said) });
            }
            tracing::debug!(server = self.server, said = last_lines(&said), "starting again");
            thread::sleep(RETRY_PAUSE);
        }
    }

    /// Returns `None` when the server is ready, or its status if it has ended. Kills it and fails after the deadline.
    fn wait(
        &self,
        process: &mut ServerProcess,
        deadline: Instant,
        is_ready: impl Fn(&ServerProcess) -> bool,
    ) -> Result<Option<ExitStatus>, Error> {
        while !is_ready(process) {
            if let Some(status) = process.exit_status() {
                return Ok(Some(status));
            }
            if Instant::now() > deadline {
                process.kill();
                return Err(Error::NotReady {
                    server: self.server,
                    patience: START_PATIENCE,
                    log: self.log.to_owned(),
                });
            }
            thread::sleep(POLL);
        }
        Ok(None)
    }

    fn spawn(&self, mut command: Command) -> Result<(ServerProcess, u64), Error> {
        let (log, log_from) = open_log(self.log).map_err(Error::io("open", self.log))?;
        let stdout = log.try_clone().map_err(Error::io("open", self.log))?;
        command.stdout(stdout).stderr(log);
        let program = PathBuf::from(command.get_program());
        let child = child::spawn(command).map_err(Error::io("start", &program))?;
        Ok((ServerProcess { child, goodbye: self.goodbye }, log_from))
    }
}

/// A running server. Dropping it stops it as [`ServerProcess::stop`] does.
#[derive(Debug)]
pub(super) struct ServerProcess {
    child: Child,
    goodbye: Goodbye,
}

impl ServerProcess {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sets the `nice` value of its main thread.
    pub fn set_priority(&self, nice: i32) -> io::Result<()> {
        Ok(setpriority_process(Some(Pid::from_child(&self.child)), nice)?)
    }

    pub fn is_running(&mut self) -> bool {
        self.exit_status().is_none()
    }

    /// Stops it cleanly within the time that its signals allow. Does nothing if it has ended.
    pub fn stop(&mut self) {
        for (signal, patience) in self.goodbye {
            self.signal(*signal);
            if self.has_ended_within(*patience) {
                return;
            }
        }
        tracing::warn!(pid = self.pid(), "a server did not stop in time: killing it");
        self.kill();
    }

    /// Sends `SIGKILL` and waits for the end.
    pub fn kill(&mut self) {
        // Both fail only if the child has been waited for already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends the signal unless it has ended. Its pid cannot be reused before this process has waited for it.
    fn signal(&mut self, signal: Signal) {
        if self.is_running() {
            let _ = kill_process(Pid::from_child(&self.child), signal);
        }
    }

    fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    fn has_ended_within(&mut self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while self.is_running() {
            if Instant::now() > deadline {
                return false;
            }
            thread::sleep(POLL);
        }
        true
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.stop();
    }
}

fn open_log(path: &Path) -> io::Result<(File, u64)> {
    let log = File::options().create(true).append(true).mode(0o600).open(path)?;
    if log.metadata()?.len() > LOG_BYTES_MAX {
        log.set_len(0)?;
    }
    let end = log.metadata()?.len();
    Ok((log, end))
}

fn output_since(log: &Path, from: u64) -> String {
    let mut said = Vec::new();
    let read = File::open(log).and_then(|mut log| {
        log.seek(SeekFrom::Start(from))?;
        log.take(LOG_BYTES_MAX).read_to_end(&mut said)
    });
    match read {
        Ok(_) => String::from_utf8_lossy(&said).into_owned(),
        Err(error) => format!("(no log: {error})"),
    }
}

/// Returns the last lines of the output of a program, which tell why it failed.
pub(super) fn last_lines(said: &str) -> String {
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(OUTPUT_LINES_MAX)..].join("\n")
}
