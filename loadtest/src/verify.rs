//! The check of the stores by `flashsale verify`.

use serde::{Deserialize, Serialize};
use tokio::process::Command;

/// The result of a verification, summed over all sales.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
pub struct Findings {
    pub sold: u64,
    pub lost: u64,
    pub oversold: u64,
    pub over_limit: u64,
    pub drift: u64,
}

/// Runs the command and reads its findings. The error gives the reason if it has none.
pub async fn run(command: &mut Command) -> Result<Findings, String> {
    let output = command.kill_on_drop(true).output().await.map_err(|error| error.to_string())?;
    // The exit status is not decisive: it is not 0 when there is something wrong in the findings.
    serde_json::from_slice(&output.stdout).map_err(|error| {
        let stderr = String::from_utf8_lossy(&output.stderr);
        format!("{}, no findings on stdout ({error}): {}", output.status, stderr.trim())
    })
}
