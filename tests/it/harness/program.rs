//! The program as a child process, with its log.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::client::Client;
use super::service::{World, long_period};
use super::{PATIENCE, eventually};

/// A running program that logs JSON. It is killed when this is dropped.
pub struct Program {
    pub client: Client,
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Program {
    /// Starts the program over these stores with these environment variables, and waits until it sells.
    pub async fn start(world: &World, settings: &[(&str, &str)]) -> Self {
        Program::start_at("127.0.0.1:0", world, settings).await
    }

    /// Does the same at this address.
    pub async fn start_at(address: &str, world: &World, settings: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flashsale"));
        command
            .args(["serve", "--listen", address, "--sale-items", "50"])
            .envs(patient_settings())
            .env("DATABASE_URL", &world.database_url)
            .env("REDIS_URL", &world.redis_url)
            .env_remove("LOG")
            .envs(settings.iter().copied());
        let program = Self::run(command).await;
        eventually("a sale is open", || async { program.client.get("/sales/active").await.status == 200 }).await;
        program
    }

    /// Runs a command of the program, and waits until it logs the address that it serves on.
    pub async fn run(mut command: Command) -> Self {
        let command = command.env("LOG_FORMAT", "json").stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let read = lines.clone();
        let reader = std::thread::spawn(move || {
            let keep = |line: String| read.lock().expect("no thread panicked").push(line);
            stderr.lines().for_each(|line| keep(line.expect("logs are text")));
        });
        let mut program = Program { client: Client::new(String::new()), child, lines, reader: Some(reader) };
        let address = || program.lines().iter().find_map(|line| listen_address(line));
        eventually("the log shows the address", || async { address().is_some() }).await;
        program.client = Client::new(format!("http://{}", address().expect("the log shows the address")));
        program
    }

    /// Returns the lines logged so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("no thread panicked").clone()
    }

    /// Sends the program a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("the process runs");
    }

    /// Stops the program with SIGTERM. Returns its whole log.
    pub async fn stop(mut self) -> Vec<String> {
        self.signal(rustix::process::Signal::TERM);
        assert!(ended(&mut self.child).await.success());
        self.reader.take().map(JoinHandle::join).transpose().expect("no thread panicked");
        self.lines()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// Runs `flashsale verify` over stores. Returns what it prints.
pub fn verify(database_url: &str, redis_url: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flashsale"));
    command.arg("verify").env("DATABASE_URL", database_url).env("REDIS_URL", redis_url).env("LOG", "error");
    let output = tokio::task::block_in_place(|| command.output()).expect("the program runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs `flashsale serve` over stores that it refuses. Returns the reason.
pub fn refusal_to_serve(database: &str, redis: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_flashsale"))
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("DATABASE_URL", database)
        .env("REDIS_URL", redis)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().expect("the status of a child can be read").is_none() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    // Only a program that accepts the stores still runs.
    let _ended = child.kill();
    let output = child.wait_with_output().expect("its output is read");
    assert_eq!(output.status.code(), Some(1), "the stores are accepted: {output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Waits until a process has ended. Fails if it does not end.
pub async fn ended(child: &mut Child) -> std::process::ExitStatus {
    let mut status = None;
    eventually("the process ends", || {
        status = child.try_wait().expect("the status of a child can be read");
        std::future::ready(status.is_some())
    })
    .await;
    status.expect("the process has ended")
}

/// Settings with which no sale ends during a test, and no purchase is refused or unconfirmed for a slow machine.
pub fn patient_settings() -> [(&'static str, String); 4] {
    let period = format!("{}s", long_period().as_secs());
    let [minute, longer] = ["60s", "90s"].map(str::to_owned);
    [("SALE_EVERY", period), ("ACK_TIMEOUT", minute.clone()), ("LAG_LIMIT", minute), ("REQUEST_TIMEOUT", longer)]
}

/// Reads lines of JSON.
#[track_caller]
pub fn objects(lines: &[String]) -> Vec<Value> {
    let object = |line: &String| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    lines.iter().map(object).collect()
}

fn listen_address(line: &str) -> Option<SocketAddr> {
    let line: Value = serde_json::from_str(line).ok()?;
    (line["message"] == "serving").then(|| line["address"].as_str()?.parse().ok())?
}
