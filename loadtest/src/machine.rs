//! The machine of a run.

use std::fs;
use std::thread;

use serde::Serialize;

/// The machine of the load generator. A private service shares it. A value that cannot be read is `None`.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    pub cpu: Option<String>,
    pub cores: Option<usize>,
    pub memory_gib: Option<f64>,
    pub kernel: Option<String>,
}

impl Machine {
    /// Reads the figures of this machine from the kernel.
    pub fn detect() -> Self {
        let memory_kib: Option<f64> =
            field("/proc/meminfo", "MemTotal").and_then(|value| value.trim_end_matches(" kB").parse().ok());
        Machine {
            cpu: field("/proc/cpuinfo", "model name"),
            cores: thread::available_parallelism().ok().map(usize::from),
            memory_gib: memory_kib.map(|kib| kib / f64::from(1 << 20)),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").ok().map(|release| release.trim().to_owned()),
        }
    }
}

/// Returns the first value with this name in a file of `name: value` lines.
fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let (_, value) = text.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| key.trim() == name)?;
    Some(value.trim().to_owned())
}
