//! Child processes that end with this process.

use std::env;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{self, Sender};
use std::thread;

use super::account::Account;
use super::programs;

/// Returns a command whose process gets the signal named `death` (such as `TERM`) when this process ends, in whatever
/// way it ends.
///
/// The command starts with an empty environment, because ours may contain secrets of the service. It has its own
/// process group, so Ctrl-C reaches only this process, which then stops the command.
pub(super) fn command(program: &Path, account: Option<&Account>, death: &str) -> Command {
    let mut command = match setpriv() {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", death, "--"]).arg(program);
            command
        }
        None => Command::new(program),
    };
    command.env_clear().env("LC_ALL", "C").env("TZ", "UTC").stdin(Stdio::null()).process_group(0);
    for name in ["PATH", "LD_LIBRARY_PATH"] {
        command.envs(env::var_os(name).map(|value| (name, value)));
    }
    if let Some(account) = account {
        account.take_over(&mut command);
    }
    command
}

/// Returns `setpriv` of util-linux if it can set the parent-death signal.
fn setpriv() -> Option<&'static Path> {
    static SETPRIV: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
        let setpriv = programs::in_path("setpriv")?;
        let mut probe = Command::new(&setpriv);
        probe.args(["--pdeathsig", "KILL", "--"]).arg(&setpriv).arg("--version");
        probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let works = probe.status().is_ok_and(|status| status.success());
        if !works {
            tracing::warn!(
                "setpriv cannot set a parent-death signal: Redis or PostgreSQL may keep running if this process is killed"
            );
        }
        works.then_some(setpriv)
    });
    SETPRIV.as_deref()
}

/// Starts the command from a thread that lives as long as this process. The parent-death signal is sent when the
/// *thread* that started the child ends, and the calling thread may belong to a pool or a test.
pub(super) fn spawn(mut command: Command) -> io::Result<Child> {
    type Job = Box<dyn FnOnce() + Send>;
    static SPAWNER: LazyLock<Sender<Job>> = LazyLock::new(|| {
        let (jobs, queue) = mpsc::channel::<Job>();
        let run = move || queue.into_iter().for_each(|job| job());
        thread::Builder::new().name("store-spawner".into()).spawn(run).expect("a thread can be started");
        jobs
    });
    let (sender, result) = mpsc::sync_channel(1);
    let job = Box::new(move || {
        // The caller waits for the result, so the channel is open.
        let _ = sender.send(command.spawn());
    });
    SPAWNER.send(job).expect("the spawner never ends");
    result.recv().expect("the spawner sends a result")
}
