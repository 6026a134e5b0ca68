//! HTTP servers in processes of their own, which end with their test.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::PATIENCE;
use super::client::Client;

/// A process that serves HTTP. It is killed when this is dropped.
pub struct HttpProcess {
    child: Child,
    /// `<IP address>:<port>`
    pub address: String,
    pub client: Client,
}

impl HttpProcess {
    /// Starts the program that `command` returns for an address, and waits until it answers this path with 200.
    pub async fn start(path: &str, command: impl FnOnce(&str) -> Command) -> Self {
        let address = free_address();
        let mut command = command(&address);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}. Run `make watchers`."));
        let client = Client::new(format!("http://{address}"));
        let mut process = HttpProcess { child, address, client };
        let deadline = Instant::now() + PATIENCE;
        while !process.answers(path).await {
            let status = process.child.try_wait().expect("the status of a child can be read");
            assert!(status.is_none(), "{command:?} ended: {status:?}");
            assert!(Instant::now() < deadline, "{command:?} did not answer {path} within {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        process
    }

    async fn answers(&self, path: &str) -> bool {
        let answer = self.client.try_send(self.client.request(hyper::Method::GET, path), "").await;
        answer.is_some_and(|answer| answer.status == 200)
    }
}

impl Drop for HttpProcess {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// Returns a loopback address that no other process uses: all of 127.0.0.0/8 is local, and outgoing connections start
/// from 127.0.0.1 and from ports above 32767.
pub fn free_address() -> String {
    let [a, b, c] = std::array::from_fn(|_| rand::random_range(1..255));
    format!("127.{a}.{b}.{c}:{}", rand::random_range(15_000..32_768))
}
