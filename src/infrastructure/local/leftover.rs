//! The server that an earlier `flashsale` has left behind.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::process::Goodbye;

const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a killed process may take to be gone.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

/// Ends the server that the pid file names, if it still serves this directory: one still shutting down, or an orphan
/// where there is no parent-death signal.
pub(super) fn end_leftover(pid_file: &Path, dir: &Path, goodbye: Goodbye) {
    let Some(pid) = read_pid(pid_file) else { return };
    for (signal, patience) in goodbye.iter().copied().chain([(Signal::KILL, KILL_PATIENCE)]) {
        let deadline = Instant::now() + patience;
        while serves(pid, dir) {
            if Instant::now() > deadline {
                break;
            }
            // ApiRequest again each time: a server that is just starting may not listen yet.
            let _ = kill_process(pid, signal);
            thread::sleep(LOOK_EVERY);
        }
    }
}

/// The process that a pid file names on its first line.
pub(super) fn read_pid(pid_file: &Path) -> Option<Pid> {
    let text = fs::read_to_string(pid_file).ok()?;
    Pid::from_raw(text.lines().next()?.trim().parse().ok()?)
}

/// Whether the process has a path inside this directory on its command line, as our servers have. One that has not
/// merely got the number of a server that is gone. A zombie has no command line.
pub(super) fn serves(pid: Pid, dir: &Path) -> bool {
    let command_line = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
    command_line.split(|byte| *byte == 0).any(|argument| Path::new(OsStr::from_bytes(argument)).starts_with(dir))
}
