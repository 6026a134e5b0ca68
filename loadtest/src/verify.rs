//! What `flashsale verify` says.

use serde::{Deserialize, Serialize};
use tokio::process::Command;

/// What it found, in all sales together.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
pub struct Findings {
    pub sold: u64,
    pub lost: u64,
    pub oversold: u64,
    pub over_limit: u64,
    pub drift: u64,
}

/// Runs it. The error says why there are no findings.
pub async fn run(command: &mut Command) -> Result<Findings, String> {
    let output = command.kill_on_drop(true).output().await.map_err(|error| error.to_string())?;
    serde_json::from_slice(&output.stdout).map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        format!("{}: {}", output.status, said.trim())
    })
}
