//! The instances of the service, each with a proxy to each store.

use std::ffi::OsString;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use flashsale::infrastructure::local::free_port;
use rustix::process::Signal;
use tokio::process::Child;

use super::Error;
use super::clock::SteppedClock;
use super::provider::{KEY, SECRET};
use super::proxy::Proxy;
use super::store::signal;
use crate::client::Client;
use crate::private_service::{bare_command, spawn, stop};
use crate::recorder::Recorder;

pub const ADMIN_TOKEN: &str = "the admin token of the chaos run";

/// Sales are short, so that many of them end during a run.
pub const SALE_EVERY: &str = "30s";

/// The program that misbehaves, beside the one that does not.
const SABOTEUR: &str = "flashsale-sabotage";

/// The settings that all instances share.
const SETTINGS: [(&str, &str); 5] = [
    ("SALE_EVERY", SALE_EVERY),
    ("SALE_ITEMS", "2000"),
    ("ADMIN_TOKEN", ADMIN_TOKEN),
    ("MAX_CONNECTIONS", "2000"),
    ("PAYMENT_TTL", "6s"),
];

/// The URLs of what an instance depends on.
#[derive(Clone, Copy)]
pub struct Upstreams<'a> {
    pub redis: &'a str,
    pub postgres: &'a str,
    pub provider: &'a str,
}

/// One instance. It keeps its address when it starts again.
pub struct Instance {
    pub name: String,
    pub redis: Proxy,
    pub postgres: Proxy,
    pub provider: Proxy,
    pub client: Rc<Client>,
    address: SocketAddr,
    program: PathBuf,
    log: PathBuf,
    child: Option<Child>,
}

impl Instance {
    /// Prepares an instance with these upstreams, and starts it.
    pub async fn start(number: usize, program: &Path, logs: &Path, upstreams: Upstreams<'_>) -> Result<Self, Error> {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let name = format!("instance-{number}");
        let mut instance = Instance {
            redis: Proxy::before(upstreams.redis).await,
            postgres: Proxy::before(upstreams.postgres).await,
            provider: Proxy::before(upstreams.provider).await,
            client: Rc::new(Client::new(format!("http://{address}"), Rc::new(Recorder::new()))),
            address,
            program: program.to_owned(),
            log: logs.join(format!("{name}.log")),
            child: None,
            name,
        };
        instance.launch()?;
        Ok(instance)
    }

    /// Starts the process.
    pub fn launch(&mut self) -> Result<(), Error> {
        // A build with the feature `sabotage` misbehaves in this way.
        self.run(self.program.clone(), std::env::var_os("SABOTAGE"), None)
    }

    /// Starts a process with this clock.
    pub fn launch_with(&mut self, clock: &SteppedClock) -> Result<(), Error> {
        self.run(self.program.clone(), None, Some(clock))
    }

    /// Starts a process that misbehaves in this way.
    pub fn launch_sabotaged(&mut self, way: &str) -> Result<(), Error> {
        let program = self.program.with_file_name(SABOTEUR);
        match program.exists() {
            true => self.run(program, Some(way.into()), None),
            false => Err(Error::NotFired(format!("{} is missing: `make chaos` builds it", program.display()))),
        }
    }

    fn run(&mut self, program: PathBuf, sabotage: Option<OsString>, clock: Option<&SteppedClock>) -> Result<(), Error> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = bare_command(&program);
        command.args(["serve", "--listen", &self.address.to_string()]).envs(SETTINGS);
        command.envs(sabotage.map(|way| ("SABOTAGE", way)));
        command.envs(clock.iter().flat_map(|clock| clock.environment()));
        command.env("REDIS_URL", &self.redis.url).env("DATABASE_URL", &self.postgres.url);
        command.env("PAYMENT_PROVIDER_URL", &self.provider.url);
        command.env("PAYMENT_PROVIDER_KEY", KEY).env("PAYMENT_WEBHOOK_SECRET", SECRET);
        self.child = Some(spawn(command, &program, log)?);
        Ok(())
    }

    /// Starts the process if it has ended. Returns true if it had.
    pub fn revive(&mut self) -> Result<bool, Error> {
        let has_ended = match &mut self.child {
            Some(child) => child.try_wait()?.is_some(),
            None => true,
        };
        if has_ended {
            self.launch()?;
        }
        Ok(has_ended)
    }

    /// Returns its URL, without a path.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// Sends a signal to the process.
    pub fn signal(&self, name: Signal) -> Result<u32, Error> {
        let pid = self.pid().ok_or_else(|| Error::NotFired(format!("{} does not run", self.name)))?;
        signal(pid, name)?;
        Ok(pid)
    }

    /// Ends every fault that this instance may be under.
    pub fn heal(&self) {
        // Fails if the process has ended.
        let _continued = self.signal(Signal::CONT);
        self.redis.heal();
        self.postgres.heal();
        self.provider.heal();
    }

    /// Kills the process and waits for its end.
    pub async fn kill(&mut self) -> Result<u32, Error> {
        let pid = self.signal(Signal::KILL)?;
        self.ended().await?;
        Ok(pid)
    }

    /// Waits for the end of the process.
    pub async fn ended(&mut self) -> Result<(), Error> {
        if let Some(mut child) = self.child.take() {
            child.wait().await?;
        }
        Ok(())
    }

    /// Stops the process with SIGTERM.
    pub async fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            stop(&mut child).await;
        }
    }
}
