//! The reference: a bare hyper server in a process of its own, measured in the same run.

use std::io;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::Error;
use super::bare_server;
use super::engine::{Connections, Measured};
use super::requests;
use super::traffic::repeated;

/// A running bare server. It ends when it is dropped, or when this process ends.
pub struct Reference {
    address: SocketAddr,
    _child: Child,
}

impl Reference {
    pub async fn start() -> Result<Self, Error> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(bare_server::NAME).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.process_group(0).spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| io::Error::other("the bare server has no output"))?;
        let line = BufReader::new(stdout).lines().next_line().await?.unwrap_or_default();
        let address = line.parse().map_err(|_| io::Error::other(format!("the bare server listens on {line:?}")))?;
        Ok(Reference { address, _child: child })
    }

    /// Measures it with this many connections.
    pub async fn measure(&self, connections: usize, length: Duration) -> Result<Measured, Error> {
        let requests = vec![requests::get("/health/live")];
        let traffic = repeated(connections, requests, |_, response| response.status == 200);
        Connections::open(&[self.address], connections).await?.run(traffic, length).await
    }
}
