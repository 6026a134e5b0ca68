//! A store server that other tasks may use while it blocks.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use flashsale::infrastructure::local::{self, PostgresServer, RedisServer};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

use super::Error;

const STOPPED_WITHIN: Duration = Duration::from_secs(2);

/// The calls of faults to either store. Each but the first two blocks.
pub trait StoreServer: Send + 'static {
    fn pid(&self) -> u32;
    fn is_running(&mut self) -> bool;
    fn stop(&mut self);
    /// Ends it like a crash.
    fn kill(&mut self);
    fn restart(&mut self) -> Result<(), local::Error>;
}

/// A server whose methods run on a thread of their own, so that the shoppers go on. Clones share it.
pub struct Store<S>(Arc<Mutex<S>>);

impl<S> Clone for Store<S> {
    fn clone(&self) -> Self {
        Store(self.0.clone())
    }
}

impl<S: StoreServer> Store<S> {
    pub fn new(server: S) -> Self {
        Store(Arc::new(Mutex::new(server)))
    }

    pub async fn pid(&self) -> u32 {
        self.call(|server| server.pid()).await
    }

    pub async fn stop(&self) {
        self.call(S::stop).await;
    }

    /// Ends it like a crash.
    pub async fn kill(&self) {
        self.call(S::kill).await;
    }

    pub async fn restart(&self) -> Result<(), Error> {
        Ok(self.call(S::restart).await?)
    }

    /// Starts it unless it runs.
    pub async fn revive(&self) -> Result<(), Error> {
        match self.call(S::is_running).await {
            true => Ok(()),
            false => self.restart().await,
        }
    }

    async fn call<T: Send + 'static>(&self, call: impl FnOnce(&mut S) -> T + Send + 'static) -> T {
        let server = self.0.clone();
        let calling = move || call(&mut server.lock().expect("no thread panicked"));
        tokio::task::spawn_blocking(calling).await.expect("a call does not panic")
    }
}

macro_rules! store_server {
    ($server:ty) => {
        impl StoreServer for $server {
            fn pid(&self) -> u32 {
                self.pid()
            }

            fn is_running(&mut self) -> bool {
                self.is_running()
            }

            fn stop(&mut self) {
                self.stop();
            }

            fn kill(&mut self) {
                self.kill();
            }

            fn restart(&mut self) -> Result<(), local::Error> {
                self.restart()
            }
        }
    };
}

store_server!(RedisServer);
store_server!(PostgresServer);

/// Sends a signal to a process of this run.
pub fn signal(pid: u32, signal: Signal) -> std::io::Result<()> {
    let pid = Pid::from_raw(pid as i32).ok_or(std::io::ErrorKind::InvalidInput)?;
    Ok(kill_process(pid, signal)?)
}

/// A process and all that it started, stopped as by a host that is frozen. They go on when this is dropped.
pub struct Frozen(Vec<u32>);

impl Frozen {
    /// Stops the process, which then starts no other, and those that it has started.
    pub async fn family_of(pid: u32) -> Result<Self, Error> {
        let mut frozen = Frozen(Vec::new());
        frozen.add(pid).await?;
        for child in children_of(pid)? {
            let added = frozen.add(child).await;
            // It may have ended meanwhile.
            if state_and_parent(child).is_some_and(|(state, _)| state != 'Z') {
                added?;
            }
        }
        Ok(frozen)
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    async fn add(&mut self, pid: u32) -> Result<(), Error> {
        // First, so that it goes on whatever happens here.
        self.0.push(pid);
        freeze(pid).await
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        for pid in self.0.drain(..) {
            // Fails if the process has ended.
            let _continued = signal(pid, Signal::CONT);
        }
    }
}

/// Stops a process, and waits until it is stopped.
pub async fn freeze(pid: u32) -> Result<(), Error> {
    signal(pid, Signal::STOP)?;
    for _ in 0..STOPPED_WITHIN.as_millis() {
        if state_and_parent(pid).is_some_and(|(state, _)| state == 'T') {
            return Ok(());
        }
        sleep(Duration::from_millis(1)).await;
    }
    Err(Error::NotFired(format!("pid {pid} is not stopped")))
}

fn children_of(parent: u32) -> std::io::Result<Vec<u32>> {
    let entries = std::fs::read_dir("/proc")?.filter_map(Result::ok);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(pids.filter(|pid| state_and_parent(*pid).is_some_and(|(_, its_parent)| its_parent == parent)).collect())
}

/// Returns the state of a process, such as `T` for stopped, and the pid of its parent.
fn state_and_parent(pid: u32) -> Option<(char, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}
