//! The report of a run: the same data as JSON and as an HTML page.

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

/// The report of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    pub mode: &'static str,
    pub load: String,
    pub passed: bool,
    pub started_at: DateTime<Utc>,
    /// The time from the first arrival until the last shopper left.
    pub seconds: f64,
    pub command: String,
    pub seed: u64,
    pub service: String,
    pub service_version: String,
    pub machine: Machine,
    pub checks: Vec<Check>,
    pub acknowledged: u64,
    #[serde(rename = "units_told")]
    pub units_acknowledged: u64,
    pub answers: u64,
    #[serde(rename = "buying")]
    pub purchase_latency: Summary,
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

/// The latency of one operation.
#[derive(Debug, Serialize)]
pub struct OperationReport {
    pub name: &'static str,
    #[serde(flatten)]
    pub latency: Summary,
}

/// The visits of one profile.
#[derive(Debug, Serialize)]
pub struct ProfileReport {
    pub name: &'static str,
    #[serde(flatten)]
    pub funnel: Funnel,
}

impl Report {
    /// Returns the purchases acknowledged per second, over the whole run.
    pub fn purchases_per_second(&self) -> f64 {
        self.acknowledged as f64 / self.seconds
    }

    /// Returns the units acknowledged per second, over the whole run.
    pub fn units_per_second(&self) -> f64 {
        self.units_acknowledged as f64 / self.seconds
    }

    /// Returns the responses per second, over the whole run.
    pub fn requests_per_second(&self) -> f64 {
        self.answers as f64 / self.seconds
    }

    /// Returns the first time at which the service showed nothing left.
    pub fn sold_out_after_s(&self) -> Option<f64> {
        self.timeline.iter().find(|second| second.units_remaining == 0).map(|second| second.at_s)
    }

    /// Returns the number of refusals, for all reasons.
    pub fn refused(&self) -> u64 {
        self.refusals.values().sum()
    }

    /// Writes `report.json` and `report.html` into the directory of the run, and points the link `latest` to it.
    /// Returns the path of the page.
    pub fn write(&self, directory: &Path) -> io::Result<PathBuf> {
        fs::write(directory.join("report.json"), serde_json::to_vec_pretty(self)?)?;
        let page = directory.join("report.html");
        fs::write(&page, html::page(self))?;
        link_latest(directory)?;
        Ok(page)
    }
}

/// Returns the latency of each operation that occurred.
pub fn operations(totals: &Totals) -> Vec<OperationReport> {
    let all = Operation::ALL.iter().zip(&totals.operations);
    let reports =
        all.map(|(operation, latencies)| OperationReport { name: operation.name(), latency: latencies.summary() });
    reports.filter(|report| report.latency.count > 0).collect()
}

/// Returns the visits of each profile.
pub fn profiles(totals: &Totals) -> Vec<ProfileReport> {
    let all = profiles::ALL.iter().zip(totals.funnels);
    all.map(|(profile, funnel)| ProfileReport { name: profile.name, funnel }).collect()
}

/// Creates the directory of a run below the results directory.
pub fn make_directory(results: &Path, started_at: DateTime<Utc>, mode: &str) -> io::Result<PathBuf> {
    let name = format!("{}-{mode}", started_at.format("%Y%m%dT%H%M%SZ"));
    let directory = results.join(name);
    fs::create_dir_all(&directory)?;
    Ok(directory)
}

/// Points the link `latest` in the results directory to the directory of this run.
pub fn link_latest(directory: &Path) -> io::Result<()> {
    let (Some(results), Some(name)) = (directory.parent(), directory.file_name()) else {
        let message = format!("{} is not a directory below the results", directory.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    };
    let latest = results.join("latest");
    match fs::remove_file(&latest) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => symlink(name, &latest),
    }
}

#[cfg(test)]
pub mod tests {
    use crate::audit::SaleAudit;
    use crate::verdict::CheckResult;

    use super::*;

    /// Returns the report of a short run that passed.
    pub fn report() -> Report {
        let check = Check {
            name: "shoppers bought something",
            expected: "at least 1 purchase".to_owned(),
            found: "5 purchases, 10 units".to_owned(),
            result: CheckResult::Pass,
        };
        let second = Second { at_s: 1.0, acknowledged: 5, units_acknowledged: 10, units_sold: 10, ..Second::default() };
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
            machine: Machine::detect(),
            checks: vec![check],
            acknowledged: 5,
            units_acknowledged: 10,
            answers: 30,
            purchase_latency: Summary::default(),
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
    fn a_report_is_written_and_latest_points_to_the_newest() {
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
    fn the_json_fields_are_stable() {
        let mut report = report();
        report.audit.sales.push(SaleAudit::default());
        report.profiles.push(ProfileReport { name: "browser", funnel: Funnel::default() });
        let json = serde_json::to_value(&report).unwrap();
        let fields = |value: &serde_json::Value| {
            let mut names: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
            names.sort_unstable();
            names.join(" ")
        };
        assert_eq!(
            fields(&json),
            "acknowledged answers audit buying checks command hung_up lateness load machine mode operations passed \
             profiles refusals repeats seconds seed service service_version started_at timeline turned_away \
             unexpected unexpected_samples units_told"
        );
        assert_eq!(fields(&json["audit"]), "acknowledged different doubtful failures missing sales unknown");
        assert_eq!(
            fields(&json["audit"]["sales"][0]),
            "id limit most_owned oversold owners_over_limit refused_and_there sold_after sold_before stock told \
             total_units units_free units_returned"
        );
        assert_eq!(
            fields(&json["timeline"][0]),
            "acknowledged answers at_s buying refusals requests turned_away unexpected units_remaining units_sold \
             units_told"
        );
        assert_eq!(fields(&json["timeline"][0]["buying"]), "count max_ms p50_ms p95_ms p99_ms");
        assert_eq!(fields(&json["profiles"][0]), "bought checked_out looked name units visits");
        assert_eq!(fields(&json["machine"]), "cores cpu kernel memory_gib");
        assert_eq!(fields(&json["checks"][0]), "expected found name result");
    }

    #[test]
    fn refusals_do_not_count_as_purchases() {
        let report = report();
        assert_eq!((report.purchases_per_second(), report.units_per_second()), (2.5, 5.0));
        assert_eq!((report.refused(), report.requests_per_second()), (3, 15.0));
        assert_eq!(report.sold_out_after_s(), Some(1.0));
    }
}
