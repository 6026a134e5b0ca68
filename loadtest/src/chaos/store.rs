//! A store server that other tasks may use while it blocks.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

use super::Error;

const STOPPED_WITHIN: Duration = Duration::from_secs(2);

/// A server whose methods block. They run on a thread of their own, so that the shoppers go on.
pub struct Store<S>(Arc<Mutex<S>>);

impl<S: Send + 'static> Store<S> {
    pub fn new(server: S) -> Self {
        Store(Arc::new(Mutex::new(server)))
    }

    /// Calls the server.
    pub async fn call<T: Send + 'static>(&self, call: impl FnOnce(&mut S) -> T + Send + 'static) -> T {
        let server = self.0.clone();
        let calling = move || call(&mut server.lock().expect("no thread panicked"));
        tokio::task::spawn_blocking(calling).await.expect("a call does not panic")
    }
}

/// Sends a signal to a process of this run.
pub fn signal(pid: u32, signal: Signal) -> std::io::Result<()> {
    let pid = Pid::from_raw(pid as i32).ok_or(std::io::ErrorKind::InvalidInput)?;
    Ok(kill_process(pid, signal)?)
}

/// Stops a process, and waits until it is stopped.
pub async fn freeze(pid: u32) -> Result<(), Error> {
    signal(pid, Signal::STOP)?;
    for _ in 0..STOPPED_WITHIN.as_millis() {
        if is_stopped(pid) {
            return Ok(());
        }
        sleep(Duration::from_millis(1)).await;
    }
    Err(Error::NotFired(format!("pid {pid} is not stopped")))
}

fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
}
