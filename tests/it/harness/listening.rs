//! Programs that listen on a port: started by a test, and ended with it.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::client::Client;

const START_PATIENCE: Duration = Duration::from_secs(30);

/// A program that answers HTTP. Dropped, it is killed.
pub struct Listening {
    child: Child,
    /// `127.0.0.1:<port>`
    pub address: String,
    pub client: Client,
}

impl Listening {
    /// Starts the program that `command` makes for an address, and waits until it answers this path with 200.
    /// Where the port has been taken meanwhile, another is tried.
    pub async fn start(path: &str, command: impl Fn(&str) -> Command) -> Self {
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            let address = free_address();
            let mut command = command(&address);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}: `make watchers`?"));
            let client = Client::new(format!("http://{address}"));
            let mut started = Listening { child, address, client };
            if started.answers(path, deadline).await {
                return started;
            }
            assert!(Instant::now() < deadline, "{command:?} did not answer {path} within {START_PATIENCE:?}");
        }
    }

    /// Whether it answers before the deadline, and before it ends.
    async fn answers(&mut self, path: &str, deadline: Instant) -> bool {
        while Instant::now() < deadline && self.child.try_wait().expect("it can be asked").is_none() {
            let answer = self.client.try_send(self.client.request(hyper::Method::GET, path), "").await;
            if answer.is_some_and(|answer| answer.status == 200) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").to_string()
}
