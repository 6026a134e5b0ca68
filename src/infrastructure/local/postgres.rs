//! A private PostgreSQL.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Signal, test_kill_process};

use super::account::Account;
use super::child::{command, spawn};
use super::leftover::{end_leftover, read_pid, serves};
use super::process::{Goodbye, Launch, ServerProcess, last_lines};
use super::programs::{self, PostgresPrograms};
use super::{Error, directory, random_password};

/// `SIGINT` is the fast shutdown of PostgreSQL: it rolls back and writes a checkpoint. `SIGQUIT` skips both.
const GOODBYE: Goodbye = &[(Signal::INT, Duration::from_secs(20)), (Signal::QUIT, Duration::from_secs(5))];

const DATA: &str = "data";
const PID_FILE: &str = "postmaster.pid";

/// Name of its superuser and of the database of the service.
pub(super) const NAME: &str = "flashsale";

/// Settings on the command line, where they take precedence over the files in the data directory. `fsync` is never off:
/// an acknowledged purchase is on the disk. No Unix socket, because its directory would have to be shared.
const SETTINGS: [(&str, &str); 17] = [
    ("listen_addresses", "127.0.0.1"),
    ("unix_socket_directories", ""),
    ("fsync", "on"),
    ("full_page_writes", "on"),
    ("synchronous_commit", "on"),
    ("max_connections", "200"),
    ("shared_buffers", "256MB"),
    ("wal_buffers", "16MB"),
    ("min_wal_size", "1GB"),
    ("max_wal_size", "2GB"),
    ("checkpoint_completion_target", "0.9"),
    ("jit", "off"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
    ("logging_collector", "off"),
    ("log_destination", "stderr"),
    ("log_line_prefix", "%m [%p] "),
];

/// A private PostgreSQL on 127.0.0.1 with its data in one directory, a superuser `flashsale` with a random password and
/// a database `flashsale`. [`PostgresServer::restart`] keeps its port; the password belongs to the data. Dropping it
/// stops it. Every method that starts or stops it blocks for a bounded time.
#[derive(Debug)]
pub struct PostgresServer {
    setup: Setup,
    port: u16,
    process: ServerProcess,
}

impl PostgresServer {
    /// Starts one with the data in `dir`. The directory and the data are created if they are missing.
    ///
    /// PostgreSQL does not run as root. If this process is root, PostgreSQL runs as `postgres` or `nobody`, which must
    /// be able to enter `dir`.
    pub fn start(dir: &Path) -> Result<PostgresServer, Error> {
        Self::start_with(dir, &[])
    }

    /// Does the same with more settings, which take precedence, such as `("max_connections", "20")`.
    pub fn start_with(dir: &Path, settings: &[(&str, &str)]) -> Result<PostgresServer, Error> {
        Self::start_in(dir, settings, &[])
    }

    /// Does the same with these environment variables.
    pub fn start_in(
        dir: &Path,
        settings: &[(&str, &str)],
        environment: &[(&str, &str)],
    ) -> Result<PostgresServer, Error> {
        let dir = directory::prepare(dir)?;
        directory::let_through(&dir)?;
        let setup = Setup::new(dir, settings, environment)?;
        if !setup.data.exists() {
            setup.create_data()?;
        }
        let (process, port) = setup.launch(None)?;
        Ok(PostgresServer { setup, port, process })
    }

    /// Returns `postgres://flashsale:<password>@127.0.0.1:<port>/flashsale`.
    pub fn url(&self) -> String {
        self.url_of(NAME, &self.setup.password, NAME)
    }

    /// Returns the URL of a role in a database.
    pub(super) fn url_of(&self, role: &str, password: &str, database: &str) -> String {
        format!("postgres://{role}:{password}@{}:{}/{database}", Ipv4Addr::LOCALHOST, self.port)
    }

    /// Returns the pid of the main process of the server, or of the last one if it has ended.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// Stops it cleanly (`SIGINT`, a fast shutdown).
    pub fn stop(&mut self) {
        self.process.stop();
    }

    /// Ends it like a crash (`SIGKILL`). Its backends end soon afterwards.
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

/// Ends a PostgreSQL that an earlier process left running in this directory.
pub(super) fn end_leftover_in(dir: &Path) {
    let data = dir.join(DATA);
    end_leftover(&data.join(PID_FILE), &data, GOODBYE);
}

/// The properties that a restart keeps, except for the port.
#[derive(Debug)]
struct Setup {
    dir: PathBuf,
    data: PathBuf,
    programs: PostgresPrograms,
    /// The user that it runs as; `None` is the user of this process.
    account: Option<Account>,
    settings: Vec<String>,
    environment: Vec<(String, String)>,
    password: String,
}

impl Setup {
    fn new(dir: PathBuf, settings: &[(&str, &str)], environment: &[(&str, &str)]) -> Result<Setup, Error> {
        let data = dir.join(DATA);
        let version = fs::read_to_string(data.join("PG_VERSION")).ok();
        let programs = programs::postgres(version.as_deref().map(str::trim))?;
        let account = Account::for_data(&data)?;
        if let Some(account) = &account {
            account.check_reach(&dir)?;
        }
        let settings = SETTINGS.iter().chain(settings).map(|(name, value)| format!("{name}={value}")).collect();
        let environment = environment.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let password = password_of(&dir.join("password"), data.exists(), account.as_ref())?;
        Ok(Setup { dir, data, programs, account, settings, environment, password })
    }

    /// Starts it on this port, or on a free one.
    fn launch(&self, port: Option<u16>) -> Result<(ServerProcess, u16), Error> {
        let log = self.dir.join("postgres.log");
        let command = |port| {
            end_leftover_in(&self.dir);
            self.free_reused_pid()?;
            Ok(self.server(port))
        };
        let is_ready = |process: &ServerProcess, _| self.is_ready(process.pid());
        Launch { server: "PostgreSQL", log: &log, goodbye: GOODBYE, port }.run(command, is_ready)
    }

    fn server(&self, port: u16) -> Command {
        let mut command = self.command(&self.programs.postgres, "INT");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.arg("-D").arg(&self.data).arg("-p").arg(port.to_string());
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        command
    }

    fn command(&self, program: &Path, death: &str) -> Command {
        let mut command = command(program, self.account.as_ref(), death);
        command.current_dir(&self.dir);
        command
    }

    /// Checks it as `pg_ctl` does: the first line of the pid file is its pid, the eighth its state.
    fn is_ready(&self, pid: u32) -> bool {
        let state = fs::read_to_string(self.data.join(PID_FILE)).unwrap_or_default();
        let mut lines = state.lines();
        lines.next() == Some(&pid.to_string()) && lines.nth(6).is_some_and(|status| status.trim() == "ready")
    }

    /// Replaces a pid in the pid file that now belongs to another process, which would keep PostgreSQL from starting.
    /// With the pid of its parent, PostgreSQL knows that the file is stale. The file must not be deleted: by its other
    /// lines PostgreSQL detects backends of the dead server that still write to the data.
    fn free_reused_pid(&self) -> Result<(), Error> {
        let pid_file = self.data.join(PID_FILE);
        let Some(pid) = read_pid(&pid_file) else { return Ok(()) };
        if test_kill_process(pid).is_err() || serves(pid, &self.data) {
            return Ok(());
        }
        let text = fs::read_to_string(&pid_file).map_err(Error::io("read", &pid_file))?;
        let rest = text.split_once('\n').map_or("", |(_, rest)| rest);
        let replacement = self.dir.join(PID_FILE);
        directory::write_secret(&replacement, format!("{}\n{rest}", process::id()).as_bytes())?;
        self.own(&replacement)?;
        fs::rename(&replacement, &pid_file).map_err(Error::io("replace", &pid_file))
    }

    /// Creates the data in another directory and moves them into place when they are complete. An interrupted attempt
    /// leaves nothing that looks like data.
    fn create_data(&self) -> Result<(), Error> {
        let data = self.dir.join("data.new");
        if data.exists() {
            fs::remove_dir_all(&data).map_err(Error::io("delete", &data))?;
        }
        fs::create_dir(&data).map_err(Error::io("create", &data))?;
        self.own(&data)?;
        self.run_initdb(&data)?;
        self.create_database(&data)?;
        fs::rename(&data, &self.data)
            .and_then(|()| File::open(&self.dir)?.sync_all())
            .map_err(Error::io("create", &self.data))
    }

    fn run_initdb(&self, data: &Path) -> Result<(), Error> {
        let mut initdb = self.command(&self.programs.initdb, "KILL");
        initdb.args(["--username", NAME, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--pwfile"]);
        initdb.arg(self.dir.join("password")).arg("-D").arg(data);
        // A young cluster has no old WAL files to reuse. It fills new ones with zeros while commits wait: 16 MB, the
        // default, stops all purchases for 60 ms.
        initdb.args(["--wal-segsize", "1"]);
        let output = run(initdb, b"").map_err(Error::io("run", &self.programs.initdb))?;
        check("initdb", output.status.success(), &output)
    }

    /// Creates the database in single-user mode, without port and password. In this mode an error does not fail the
    /// program.
    fn create_database(&self, data: &Path) -> Result<(), Error> {
        let mut postgres = self.command(&self.programs.postgres, "KILL");
        postgres.arg("--single").arg("-D").arg(data).arg("postgres");
        let output = run(postgres, format!("CREATE DATABASE {NAME}\n").as_bytes())
            .map_err(Error::io("run", &self.programs.postgres))?;
        let said = String::from_utf8_lossy(&output.stderr);
        let created = output.status.success() && !said.contains("ERROR:") && !said.contains("FATAL:");
        check("postgres --single", created, &output)
    }

    fn own(&self, path: &Path) -> Result<(), Error> {
        self.account.as_ref().map_or(Ok(()), |account| account.own(path))
    }
}

/// Returns the password of existing data, otherwise a new one. `initdb` reads it and runs as that account.
fn password_of(file: &Path, data_exists: bool, account: Option<&Account>) -> Result<String, Error> {
    if data_exists {
        let password = fs::read_to_string(file).map_err(Error::io("read", file))?;
        return Ok(password.trim().to_owned());
    }
    let password = random_password();
    directory::write_secret(file, password.as_bytes())?;
    account.map_or(Ok(()), |account| account.own(file))?;
    Ok(password)
}

fn run(mut command: Command, input: &[u8]) -> io::Result<Output> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = spawn(command)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends without reading writes the reason to its output.
        let _ = stdin.write_all(input);
    }
    child.wait_with_output()
}

fn check(server: &'static str, success: bool, output: &Output) -> Result<(), Error> {
    if success {
        return Ok(());
    }
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    let said = last_lines(&String::from_utf8_lossy(&said));
    Err(Error::Failed { server, status: output.status.to_string(), said })
}
