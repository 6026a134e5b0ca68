//! The results, and what is expected of them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::latency::Summary;
use crate::machine::Machine;
use crate::report::link_latest;

/// Expectations of 10,000 streams and 1,000 readers who read nothing, in a rush of 2,000 arrivals a second.
const KIB_OF_STREAM_MAX: f64 = 16.0;
const LAG_P99_MS_MAX: f64 = 1_000.0;
const PURCHASE_P99_MS_MAX: f64 = 25.0;
const BYTES_OF_STREAM_MAX: u64 = 70_000;
const STALLED_MB_MAX: f64 = 20.0;

/// One sale that sold out.
#[derive(Debug, Clone, Serialize)]
pub struct SoldOut {
    pub streams: u32,
    pub stalled: u32,
    /// The resident memory of the service before the streams were opened, with them, and at most during the rush.
    pub before_mb: f64,
    pub opened_mb: f64,
    pub most_mb: f64,
    pub opening_seconds: f64,
    pub rush_seconds: f64,
    pub purchases: Summary,
    pub events: u64,
    pub snapshots: u64,
    pub ended: u32,
    pub lag: Summary,
    pub lag_most: Summary,
    pub bytes_mean: f64,
    pub bytes_most: u64,
}

/// The results of a run.
#[derive(Debug, Serialize)]
pub struct Results {
    pub machine: Machine,
    pub without: SoldOut,
    pub streaming: SoldOut,
    pub stalling: SoldOut,
    pub kib_of_stream: f64,
    pub stalled_mb: f64,
    pub failures: Vec<String>,
}

impl Results {
    pub fn new(without: SoldOut, streaming: SoldOut, stalling: SoldOut) -> Self {
        let kib_of_stream =
            (streaming.opened_mb - streaming.before_mb) * 1e6 / 1024.0 / f64::from(streaming.streams.max(1));
        // With the memory of the rush itself taken off.
        let grown = |sale: &SoldOut| sale.most_mb - sale.before_mb;
        let stalled_mb = grown(&stalling) - grown(&without);
        let mut results = Results {
            machine: Machine::detect(),
            without,
            streaming,
            stalling,
            kib_of_stream,
            stalled_mb,
            failures: vec![],
        };
        results.failures = results.find_failures();
        results
    }

    fn find_failures(&self) -> Vec<String> {
        let sale = &self.streaming;
        let checks = [
            ("KiB of memory for a stream", self.kib_of_stream, KIB_OF_STREAM_MAX),
            ("ms from the ledger to a stream (p99, last entry of an event)", sale.lag.p99_ms, LAG_P99_MS_MAX),
            ("ms from the ledger to a stream (p99, any entry of an event)", sale.lag_most.p99_ms, LAG_P99_MS_MAX),
            ("ms for a purchase (p99)", sale.purchases.p99_ms, PURCHASE_P99_MS_MAX),
            ("bytes of a stream", sale.bytes_most as f64, BYTES_OF_STREAM_MAX as f64),
            ("MB for the readers who read nothing", self.stalled_mb, STALLED_MB_MAX),
            ("streams that did not end with the sale", f64::from(sale.streams - sale.ended), 0.0),
        ];
        let failed = checks.into_iter().filter(|(_, found, most)| found > most);
        failed.map(|(what, found, most)| format!("{what}: {found:.1} (expected: at most {most})")).collect()
    }

    pub fn print(&self) {
        println!();
        println!("{:36}{:>12}{:>12}{:>12}", "", "no streams", "streams", "stalled");
        let sales = [&self.without, &self.streaming, &self.stalling];
        let row = |what: &str, value: &dyn Fn(&SoldOut) -> f64| {
            println!("{what:36}{:>12.1}{:>12.1}{:>12.1}", value(sales[0]), value(sales[1]), value(sales[2]));
        };
        row("streams", &|sale| f64::from(sale.streams));
        row("streams that nobody reads", &|sale| f64::from(sale.stalled));
        row("memory before, MB", &|sale| sale.before_mb);
        row("memory with open streams, MB", &|sale| sale.opened_mb);
        row("memory during the rush, most, MB", &|sale| sale.most_mb);
        row("rush, s", &|sale| sale.rush_seconds);
        row("purchase p50, ms", &|sale| sale.purchases.p50_ms);
        row("purchase p99, ms", &|sale| sale.purchases.p99_ms);
        row("events", &|sale| sale.events as f64);
        row("of them snapshots", &|sale| sale.snapshots as f64);
        row("lag of the last entry, p50, ms", &|sale| sale.lag.p50_ms);
        row("lag of the last entry, p99, ms", &|sale| sale.lag.p99_ms);
        row("lag of any entry at most, p99, ms", &|sale| sale.lag_most.p99_ms);
        row("bytes of a stream, mean", &|sale| sale.bytes_mean);
        row("bytes of a stream, most", &|sale| sale.bytes_most as f64);
        println!();
        println!("memory of a stream: {:.1} KiB", self.kib_of_stream);
        println!("memory for {} streams that nobody reads: {:.1} MB", self.stalling.stalled, self.stalled_mb);
        self.failures.iter().for_each(|failure| println!("FAIL  {failure}"));
    }

    /// Writes `streams.json` into the directory of the run, and points the link `latest` to it.
    pub fn write(&self, directory: &Path) -> io::Result<PathBuf> {
        let path = directory.join("streams.json");
        fs::write(&path, serde_json::to_vec_pretty(self)?)?;
        link_latest(directory)?;
        Ok(path)
    }
}
