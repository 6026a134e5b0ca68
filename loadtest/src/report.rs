//! What a run leaves behind: the same data as JSON and as a page.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::audit::Audit;
use crate::html;
use crate::latency::Summary;
use crate::machine::Machine;
use crate::outcome::{Operation, Refusal};
use crate::profiles;
use crate::recorder::{Funnel, Second, Totals};
use crate::verdict::Check;

/// Everything there is to say about a run.
#[derive(Debug, Serialize)]
pub struct Report {
    pub mode: &'static str,
    pub load: String,
    pub passed: bool,
    pub started_at: DateTime<Utc>,
    /// From the first arrival until the last shopper has left.
    pub seconds: f64,
    pub command: String,
    pub seed: u64,
    pub service: String,
    pub service_version: String,
    pub machine: Machine,
    pub checks: Vec<Check>,
    pub acknowledged: u64,
    pub units_told: u64,
    pub answers: u64,
    pub buying: Summary,
    pub lateness: Summary,
    pub operations: Vec<OperationReport>,
    pub refusals: BTreeMap<Refusal, u64>,
    pub turned_away: u64,
    pub unexpected: u64,
    pub unexpected_samples: Vec<String>,
    pub hung_up: u64,
    pub repeats: u64,
    pub profiles: Vec<ProfileReport>,
    pub audit: Audit,
    pub timeline: Vec<Second>,
}

/// How long one operation took.
#[derive(Debug, Serialize)]
pub struct OperationReport {
    pub name: &'static str,
    #[serde(flatten)]
    pub latency: Summary,
}

/// How far shoppers of one profile got.
#[derive(Debug, Serialize)]
pub struct ProfileReport {
    pub name: &'static str,
    #[serde(flatten)]
    pub funnel: Funnel,
}

impl Report {
    /// Purchases acknowledged a second, over the whole run.
    pub fn purchases_a_second(&self) -> f64 {
        self.acknowledged as f64 / self.seconds
    }

    /// Units sold a second, over the whole run.
    pub fn units_a_second(&self) -> f64 {
        self.units_told as f64 / self.seconds
    }

    /// Requests answered a second, over the whole run.
    pub fn requests_a_second(&self) -> f64 {
        self.answers as f64 / self.seconds
    }

    /// When nothing was left for the first time, as the service says.
    pub fn sold_out_after_s(&self) -> Option<f64> {
        self.timeline.iter().find(|second| second.units_remaining == 0).map(|second| second.at_s)
    }

    /// Answers that refused something, for any reason that shoppers expect.
    pub fn refused(&self) -> u64 {
        self.refusals.values().sum()
    }

    /// Writes `report.json` and `report.html` into the directory of the run, to which `latest` leads from then on.
    /// Returns the page.
    pub fn write(&self, directory: &Path) -> io::Result<PathBuf> {
        fs::write(directory.join("report.json"), serde_json::to_vec_pretty(self)?)?;
        let page = directory.join("report.html");
        fs::write(&page, html::page(self))?;
        link_latest(directory)?;
        Ok(page)
    }
}

/// Latencies by operation, of those that happened.
pub fn operations(totals: &Totals) -> Vec<OperationReport> {
    let all = Operation::ALL.iter().zip(&totals.operations);
    let reports =
        all.map(|(operation, latencies)| OperationReport { name: operation.name(), latency: latencies.summary() });
    reports.filter(|report| report.latency.count > 0).collect()
}

/// How far each profile got.
pub fn profiles(totals: &Totals) -> Vec<ProfileReport> {
    let all = profiles::ALL.iter().zip(totals.funnels);
    all.map(|(profile, funnel)| ProfileReport { name: profile.name, funnel }).collect()
}

/// A new directory for a run, below that of all results.
pub fn make_directory(results: &Path, started_at: DateTime<Utc>, mode: &str) -> io::Result<PathBuf> {
    let name = format!("{}-{mode}", started_at.format("%Y%m%dT%H%M%SZ"));
    let directory = results.join(name);
    fs::create_dir_all(&directory)?;
    Ok(directory)
}

/// Lets `latest` beside the directories of all runs lead to this one.
fn link_latest(directory: &Path) -> io::Result<()> {
    let (Some(results), Some(name)) = (directory.parent(), directory.file_name()) else { return Ok(()) };
    let latest = results.join("latest");
    match fs::remove_file(&latest) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => symlink(name, &latest),
    }
}

#[cfg(test)]
pub mod tests {
    use crate::verdict::Result;

    use super::*;

    /// A short run that passed.
    pub fn report() -> Report {
        let check = Check {
            name: "something is bought",
            expected: "at least 1 purchase".to_owned(),
            found: "5 purchases".to_owned(),
            result: Result::Pass,
        };
        let second = Second { at_s: 1.0, acknowledged: 5, units_told: 10, units_sold: 10, ..Second::default() };
        Report {
            mode: "rush",
            load: "9 arrivals/s".to_owned(),
            passed: true,
            started_at: DateTime::UNIX_EPOCH,
            seconds: 2.0,
            command: "BASE_URL=http://127.0.0.1:8080 loadtest rush".to_owned(),
            seed: 1,
            service: "http://127.0.0.1:8080".to_owned(),
            service_version: "0.1.0".to_owned(),
            machine: Machine::this(),
            checks: vec![check],
            acknowledged: 5,
            units_told: 10,
            answers: 30,
            buying: Summary::default(),
            lateness: Summary::default(),
            operations: Vec::new(),
            refusals: [(Refusal::ItemSold, 2), (Refusal::CartFull, 1)].into(),
            turned_away: 0,
            unexpected: 0,
            unexpected_samples: Vec::new(),
            hung_up: 0,
            repeats: 0,
            profiles: Vec::new(),
            audit: Audit::default(),
            timeline: vec![second],
        }
    }

    #[test]
    fn a_run_is_written_and_the_latest_one_is_found() {
        let results = tempfile::tempdir().unwrap();
        for (second, mode) in [(0, "rush"), (1, "realistic")] {
            let at = DateTime::from_timestamp(second, 0).unwrap();
            let directory = make_directory(results.path(), at, mode).unwrap();
            report().write(&directory).unwrap();
        }
        assert_eq!(fs::read_link(results.path().join("latest")).unwrap(), Path::new("19700101T000001Z-realistic"));
        let json = fs::read(results.path().join("latest/report.json")).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!((&json["passed"], &json["timeline"][0]["units_sold"]), (&true.into(), &10.into()));
        assert!(results.path().join("19700101T000000Z-rush/report.html").is_file());
    }

    #[test]
    fn a_refusal_is_no_sale() {
        let report = report();
        assert_eq!((report.purchases_a_second(), report.units_a_second()), (2.5, 5.0));
        assert_eq!((report.refused(), report.requests_a_second()), (3, 15.0));
        assert_eq!(report.sold_out_after_s(), Some(1.0));
    }
}
