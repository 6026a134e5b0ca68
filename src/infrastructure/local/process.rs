//! One server process: watched until it serves, ended in good order.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{Error, child, port::free_port};

/// How long a server may take until it serves: enough to replay a long log after a crash.
const START_PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);
/// Between two attempts to start, when what was in the way goes away by itself.
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// A server's log longer than this is begun anew when the server starts.
const LOG_BYTES_MAX: u64 = 16 << 20;
/// How much of what a failed server said goes into the error.
const SAID_LINES_MAX: usize = 12;

/// What a server says when it could not start for a reason that passes: its port has been taken in between, or its
/// predecessor has not quite ended.
const PASSING_REASONS: [&str; 3] =
    ["Address already in use", "pre-existing shared memory block", "lock file \"postmaster.pid\" already exists"];

/// The first signal, then the next when the process has not ended in that time; after the last one, `SIGKILL`.
pub(super) type Goodbye = &'static [(Signal, Duration)];

/// How to start one server and to know that it serves.
pub(super) struct Launch<'a> {
    pub server: &'static str,
    pub log: &'a Path,
    pub goodbye: Goodbye,
    /// The port to serve on; `None` is any free one, another at each attempt.
    pub port: Option<u16>,
}

impl Launch<'_> {
    /// Starts the server and waits until `is_ready`; starts it again while what stops it is one of the
    /// [`PASSING_REASONS`]. `command` is asked before each attempt, and may prepare it.
    pub fn run(
        &self,
        command: impl Fn(u16) -> Result<Command, Error>,
        is_ready: impl Fn(&ServerProcess, u16) -> bool,
    ) -> Result<(ServerProcess, u16), Error> {
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            let port = self.port.map_or_else(free_port, Ok).map_err(Error::NoPort)?;
            let (mut process, said_from) = self.spawn(command(port)?)?;
            let Some(status) = self.wait(&mut process, deadline, |process| is_ready(process, port))? else {
                return Ok((process, port));
            };
            let said = said_since(self.log, said_from);
            let passes = PASSING_REASONS.iter().any(|reason| said.contains(reason));
            if !passes || Instant::now() > deadline {
                return Err(Error::Failed { server: self.server, status: status.to_string(), said: last_lines(&said) });
            }
            tracing::debug!(server = self.server, said = last_lines(&said), "starting again");
            thread::sleep(RETRY_PAUSE);
        }
    }

    /// `None` when it is ready, its status when it has ended; an error, and it is killed, when neither came in time.
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
        let (log, said_from) = open_log(self.log).map_err(Error::io("open", self.log))?;
        let stdout = log.try_clone().map_err(Error::io("open", self.log))?;
        command.stdout(stdout).stderr(log);
        let program = PathBuf::from(command.get_program());
        let child = child::spawn(command).map_err(Error::io("start", &program))?;
        Ok((ServerProcess { child, goodbye: self.goodbye }, said_from))
    }
}

/// A server that we have started. Dropped, it is ended as [`ServerProcess::stop`] does.
#[derive(Debug)]
pub(super) struct ServerProcess {
    child: Child,
    goodbye: Goodbye,
}

impl ServerProcess {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn is_running(&mut self) -> bool {
        self.exit_status().is_none()
    }

    /// Ends it in good order, within the time its goodbye allows. Does nothing when it has ended.
    pub fn stop(&mut self) {
        for (signal, patience) in self.goodbye {
            self.signal(*signal);
            if self.has_ended_within(*patience) {
                return;
            }
        }
        tracing::warn!(pid = self.pid(), "a store did not stop when asked to: killing it");
        self.kill();
    }

    /// `SIGKILL`, and waits until it is gone.
    pub fn kill(&mut self) {
        // Both fail only for a child that has been waited for already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends the signal, unless it has ended. Until we have waited for it, its pid is nobody else's.
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

fn said_since(log: &Path, from: u64) -> String {
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

/// The end of what a program said, where the reason of its failure stands.
pub(super) fn last_lines(said: &str) -> String {
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(SAID_LINES_MAX)..].join("\n")
}
