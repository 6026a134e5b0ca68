//! The results of a bench.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::engine::Measured;
use super::page;
use super::processes::CpuTimes;
use super::redis_server::Pauses;
use super::row::Row;
use super::table;
use crate::machine::Machine;
use crate::report;

/// The results of a bench, as `bench.json` shows them.
#[derive(Debug, Serialize)]
pub struct Results {
    pub started_at: DateTime<Utc>,
    /// The duration of the whole bench.
    pub seconds: f64,
    pub command: String,
    pub service: String,
    pub machine: Machine,
    pub passed: bool,
    /// The checks that failed, in words.
    pub failures: Vec<String>,
    pub loads: Vec<LoadResult>,
    pub figures: Vec<Figure>,
    /// The course of a flood, by second.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub timeline: Vec<Second>,
    /// The commands and events that held Redis too long, by row.
    pub pauses: Vec<(String, Pauses)>,
}

/// The result of one load.
#[derive(Debug, Clone, Serialize)]
pub struct LoadResult {
    pub name: String,
    #[serde(skip)]
    pub title: String,
    pub connections: usize,
    pub requests: u64,
    pub per_second: f64,
    /// The requests a second of a bare hyper server with as many connections, measured right before.
    pub bare_per_second: f64,
    /// The quotient of these two.
    pub ratio: f64,
    /// The ratio divided by that of the row `live`, if it was measured.
    pub of_live: Option<f64>,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    pub max_ms: f64,
    /// CPU time of a request in microseconds.
    pub cpu_us: CpuTimes,
    /// Requests that were sent again, because the answer was 503 or 202.
    pub retries: u64,
    pub unexpected: u64,
}

/// The responses in one second of a flood.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Second {
    /// Purchases that are durable.
    pub acknowledged: u64,
    /// Requests of all kinds that were refused for now.
    pub refused: u64,
    /// Responses of all kinds.
    pub answered: u64,
}

/// Another figure of a row.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    pub name: &'static str,
    #[serde(skip)]
    pub title: &'static str,
    pub what: String,
    /// `None` if it could not be measured here.
    pub value: Option<f64>,
    pub unit: &'static str,
}

impl LoadResult {
    pub fn new(
        name: &str,
        title: &str,
        connections: usize,
        measured: &Measured,
        bare: &Measured,
        cpu: CpuTimes,
    ) -> Self {
        let latency = |quantile| measured.latencies.quantile_ms(quantile);
        LoadResult {
            name: name.to_owned(),
            title: title.to_owned(),
            connections,
            requests: measured.requests,
            per_second: measured.per_second(),
            bare_per_second: bare.per_second(),
            ratio: measured.per_second() / bare.per_second(),
            of_live: None,
            p50_ms: latency(0.5),
            p99_ms: latency(0.99),
            p999_ms: latency(0.999),
            max_ms: latency(1.0),
            cpu_us: cpu,
            retries: measured.retries,
            unexpected: measured.unexpected,
        }
    }
}

impl Figure {
    pub fn new(row: Row, what: String, value: f64, unit: &'static str) -> Self {
        Figure { name: row.name(), title: row.title(), what, value: Some(value), unit }
    }

    pub fn skipped(row: Row, what: String) -> Self {
        Figure { name: row.name(), title: row.title(), what, value: None, unit: "" }
    }
}

impl Results {
    /// Writes `bench.json`, `table.md` and `report.html` into the directory. Returns the path of the page.
    pub fn write(&self, directory: &Path) -> io::Result<PathBuf> {
        fs::write(directory.join("bench.json"), serde_json::to_vec_pretty(self)?)?;
        fs::write(directory.join("table.md"), table::markdown(self))?;
        let page = directory.join("report.html");
        fs::write(&page, page::page(self))?;
        report::link_latest(directory)?;
        Ok(page)
    }
}
