//! Servers that an earlier `flashsale` left running.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::process::Goodbye;

/// Interval between signals and checks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Longest wait for the end of a killed process.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

/// Ends the server in the pid file if it still serves this directory: it may be shutting down, or be an orphan of a
/// system without parent-death signals.
pub(super) fn end_leftover(pid_file: &Path, dir: &Path, goodbye: Goodbye) {
    let Some(pid) = read_pid(pid_file) else { return };
    for (signal, patience) in goodbye.iter().copied().chain([(Signal::KILL, KILL_PATIENCE)]) {
        let deadline = Instant::now() + patience;
        while serves(pid, dir) {
            if Instant::now() > deadline {
                break;
            }
            // Sent again each time: a server that is starting may ignore the first signal.
            let _ = kill_process(pid, signal);
            thread::sleep(LOOK_EVERY);
        }
    }
}

/// Returns the pid on the first line of a pid file.
pub(super) fn read_pid(pid_file: &Path) -> Option<Pid> {
    let text = fs::read_to_string(pid_file).ok()?;
    Pid::from_raw(text.lines().next()?.trim().parse().ok()?)
}

/// Returns true if the command line of the process contains a path inside this directory, like those of our servers.
/// Otherwise the pid has been reused. A zombie has no command line.
pub(super) fn serves(pid: Pid, dir: &Path) -> bool {
    let command_line = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
    command_line.split(|byte| *byte == 0).any(|argument| Path::new(OsStr::from_bytes(argument)).starts_with(dir))
}
