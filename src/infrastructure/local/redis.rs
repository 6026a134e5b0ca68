//! A private Redis.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use super::child::command;
use super::leftover::end_leftover;
use super::process::{Goodbye, Launch, ServerProcess};
use super::{Error, directory, programs, random_password};

const GOODBYE: Goodbye = &[(Signal::TERM, Duration::from_secs(10))];
const PING_TIMEOUT: Duration = Duration::from_millis(500);

/// Paths are relative to the working directory, so that no character of its name has a meaning in the configuration
/// file. The process keeps its title, because [`end_leftover`] recognizes it by its command line.
const PLACE: [&str; 4] = ["dir ./", "pidfile redis.pid", "daemonize no", "set-proc-title no"];

/// Settings that the service needs: it refuses a Redis that evicts keys, and the append-only file survives a kill.
const SETTINGS: [&str; 5] =
    ["appendonly yes", "appendfsync everysec", "save \"\"", "maxmemory-policy noeviction", "loglevel notice"];

/// The user of the service, with a password to fill in.
const ACCESS: &str = include_str!("../redis/flashsale.acl");

/// Priority (`nice`) of its main thread. That thread decides for all shoppers: while it waits for a core, all of them
/// wait.
const PRIORITY: i32 = -10;

/// A private Redis on 127.0.0.1 with a random password and its data in one directory. [`RedisServer::restart`] keeps its
/// port and password. Dropping it stops it. Every method that starts or stops it blocks for a bounded time.
#[derive(Debug)]
pub struct RedisServer {
    setup: Setup,
    port: u16,
    process: ServerProcess,
}

impl RedisServer {
    /// Starts one with the data in `dir`, which is created if it is missing.
    pub fn start(dir: &Path) -> Result<RedisServer, Error> {
        Self::start_with(dir, &[])
    }

    /// Does the same with more lines of `redis.conf`, which take precedence, such as `appendonly no`.
    pub fn start_with(dir: &Path, settings: &[&str]) -> Result<RedisServer, Error> {
        Self::start_in(dir, settings, &[])
    }

    /// Does the same with these environment variables.
    pub fn start_in(dir: &Path, settings: &[&str], environment: &[(&str, &str)]) -> Result<RedisServer, Error> {
        let setup = Setup {
            program: programs::redis_server()?,
            dir: directory::prepare(dir)?,
            settings: settings.iter().map(|line| line.to_string()).collect(),
            environment: environment.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
            password: random_password(),
        };
        let (process, port) = setup.launch(None)?;
        Ok(RedisServer { setup, port, process })
    }

    /// Returns the URL of a user who may do everything: `redis://default:<password>@127.0.0.1:<port>/`. It names the user
    /// because redis-cli needs it.
    pub fn url(&self) -> String {
        self.url_of("default")
    }

    /// Returns the URL of a user who may do what the service needs.
    pub fn service_url(&self) -> String {
        self.url_of("flashsale")
    }

    fn url_of(&self, user: &str) -> String {
        format!("redis://{user}:{}@{}:{}/", self.setup.password, Ipv4Addr::LOCALHOST, self.port)
    }

    /// Returns the pid of the server, or of the last one if it has ended.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// Stops it cleanly (`SIGTERM`): its append-only file is complete.
    pub fn stop(&mut self) {
        self.process.stop();
    }

    /// Ends it like a crash (`SIGKILL`).
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Restarts it on the same port, with the same password and data.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.stop();
        (self.process, self.port) = self.setup.launch(Some(self.port))?;
        Ok(())
    }
}

/// Ends a Redis that an earlier process left running in this directory.
pub(super) fn end_leftover_in(dir: &Path) {
    end_leftover(&dir.join("redis.pid"), dir, GOODBYE);
}

/// The properties that a restart keeps, except for the port.
#[derive(Debug)]
struct Setup {
    program: PathBuf,
    dir: PathBuf,
    settings: Vec<String>,
    environment: Vec<(String, String)>,
    password: String,
}

impl Setup {
    /// Starts it on this port, or on a free one.
    fn launch(&self, port: Option<u16>) -> Result<(ServerProcess, u16), Error> {
        let log = self.dir.join("redis.log");
        let command = |port| {
            end_leftover_in(&self.dir);
            self.write_config(port)?;
            Ok(self.command())
        };
        let launch = Launch { server: "Redis", log: &log, goodbye: GOODBYE, port };
        let (process, port) = launch.run(command, |_, port| self.answers(port))?;
        // Without the right to do so (CAP_SYS_NICE), it runs like any other process.
        let _ignored = process.set_priority(PRIORITY);
        Ok((process, port))
    }

    fn command(&self) -> Command {
        let mut command = command(&self.program, None, "TERM");
        command.arg(self.config_file()).current_dir(&self.dir).envs(self.environment.iter().cloned());
        command
    }

    fn write_config(&self, port: u16) -> Result<(), Error> {
        let mut config = format!("bind 127.0.0.1\nport {port}\nrequirepass {}\n", self.password);
        config.push_str(&ACCESS.replace("PASSWORD", &self.password));
        for line in PLACE.into_iter().chain(SETTINGS).chain(self.settings.iter().map(String::as_str)) {
            config.push_str(line);
            config.push('\n');
        }
        directory::write_secret(&self.config_file(), config.as_bytes())
    }

    fn config_file(&self) -> PathBuf {
        self.dir.join("redis.conf")
    }

    /// Returns true if this Redis answers there with its data loaded. No other server knows the password.
    fn answers(&self, port: u16) -> bool {
        self.ping(port).is_ok_and(|answer| answer == ["+OK", "+PONG"])
    }

    fn ping(&self, port: u16) -> io::Result<Vec<String>> {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        connection.set_read_timeout(Some(PING_TIMEOUT))?;
        write!(connection, "AUTH {}\r\nPING\r\n", self.password)?;
        BufReader::new(connection).lines().take(2).collect()
    }
}
