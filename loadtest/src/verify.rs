//! The check of the stores by `flashsale verify`.

use std::fmt;

use serde::{Deserialize, Serialize};
use tokio::process::Command;

/// The result of a verification, summed over all sales.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Findings {
    pub sold: u64,
    pub lost: u64,
    pub oversold: u64,
    pub over_limit: u64,
    pub drift: u64,
    /// Orders that ended long ago without payment, and whose stock is not returned.
    pub unreturned: u64,
    /// Orders whose deadline is long over, and that have not ended.
    pub overdue: u64,
    /// Orders that are paid, and whose units were released.
    pub paid_and_released: u64,
    /// Orders whose payment is not settled long after it should be, or settled against the state of the order.
    pub unsettled: u64,
}

impl Findings {
    /// Returns true if nothing but sold units was found.
    pub fn is_sound(&self) -> bool {
        *self == Findings { sold: self.sold, ..Findings::default() }
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Findings { sold, lost, oversold, over_limit, drift, unreturned, overdue, paid_and_released, unsettled } =
            self;
        write!(
            f,
            "sold={sold} lost={lost} oversold={oversold} over_limit={over_limit} drift={drift} \
             unreturned={unreturned} overdue={overdue} paid_and_released={paid_and_released} unsettled={unsettled}"
        )
    }
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
