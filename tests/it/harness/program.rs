//! The program itself as a child, with all that it says.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::Value;

use super::client::Client;
use super::eventually;
use super::service::World;

/// A running `flashsale serve` that logs JSON.
pub struct Program {
    pub client: Client,
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    reading: Option<JoinHandle<()>>,
}

impl Program {
    /// Serves over these stores, set as given, and is ready to sell.
    pub async fn start(world: &World, settings: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_flashsale"))
            .args(["serve", "--listen", "127.0.0.1:0", "--sale-every", "24h", "--sale-items", "50"])
            .env("DATABASE_URL", &world.database_url)
            .env("REDIS_URL", world.redis.url())
            .env("LOG_FORMAT", "json")
            .envs(settings.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let said = lines.clone();
        let reading = std::thread::spawn(move || {
            stderr.lines().for_each(|line| said.lock().expect("nobody panics").push(line.expect("logs are text")));
        });
        // From here on it is ended, whatever happens.
        let mut program = Program { client: Client::new(String::new()), child, lines, reading: Some(reading) };
        let address = || program.lines().iter().find_map(|line| serving(line));
        eventually("it says where it serves", || async { address().is_some() }).await;
        program.client = Client::new(format!("http://{}", address().expect("it has said so")));
        eventually("it sells", || async { program.client.get("/sales/active").await.status == 200 }).await;
        program
    }

    /// The lines that it has logged so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("nobody panics").clone()
    }

    /// Stops it as an operator does. Returns all that it logged.
    pub fn stop(mut self) -> Vec<String> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it is there");
        assert!(self.child.wait().expect("it ends").success());
        self.reading.take().map(JoinHandle::join).transpose().expect("nobody panics");
        self.lines()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// The lines as what they are: one object each.
#[track_caller]
pub fn objects(lines: &[String]) -> Vec<Value> {
    let object = |line: &String| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    lines.iter().map(object).collect()
}

fn serving(line: &str) -> Option<SocketAddr> {
    let line: Value = serde_json::from_str(line).ok()?;
    (line["message"] == "serving").then(|| line["address"].as_str()?.parse().ok())?
}
