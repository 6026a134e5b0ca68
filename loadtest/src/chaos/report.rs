//! The results of a run.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::kind::Kind;
use super::verdict::Verdict;
use crate::machine::Machine;
use crate::report;

/// One fault, as it happened.
#[derive(Debug, Serialize)]
pub struct FaultReport {
    #[serde(serialize_with = "by_name")]
    pub kind: Kind,
    /// Seconds since the start of the run.
    pub at_s: f64,
    /// The proof that it took effect, or the reason for which it did not.
    pub what: String,
    /// Time until every instance sold again; `None` if it did not take effect or was not recovered from.
    pub recovery_s: Option<f64>,
}

/// The results of a run, as `chaos.json` shows them.
#[derive(Debug, Serialize)]
pub struct Report {
    pub started_at: DateTime<Utc>,
    pub seconds: f64,
    pub seed: u64,
    pub instances: usize,
    pub shoppers: u32,
    pub machine: Machine,
    pub faults: Vec<FaultReport>,
    /// Kinds that were scheduled and did not come up in time.
    #[serde(serialize_with = "by_names")]
    pub missing: Vec<Kind>,
    pub verdict: Verdict,
    /// Instances that ended without being killed. They were started again.
    pub unplanned_ends: u32,
    pub refusals: BTreeMap<String, u64>,
    /// Observations, in words.
    pub notes: Vec<String>,
}

fn by_name<S: serde::Serializer>(kind: &Kind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(kind)
}

fn by_names<S: serde::Serializer>(kinds: &[Kind], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(kinds.iter().map(Kind::to_string))
}

impl Report {
    /// Returns true if nothing is wrong, every kind came up, every fault took effect and was recovered from, and no instance
    /// ended by itself.
    pub fn passed(&self) -> bool {
        let all_recovered = self.faults.iter().all(|fault| fault.recovery_s.is_some());
        self.verdict.is_sound() && all_recovered && self.missing.is_empty() && self.unplanned_ends == 0
    }

    /// Writes `chaos.json` and `table.md` into the directory.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        fs::write(directory.join("chaos.json"), serde_json::to_vec_pretty(self)?)?;
        fs::write(directory.join("table.md"), self.table())?;
        report::link_latest(directory)
    }

    fn by_kind(&self) -> BTreeMap<Kind, Vec<&FaultReport>> {
        let mut kinds: BTreeMap<Kind, Vec<&FaultReport>> = BTreeMap::new();
        for fault in &self.faults {
            kinds.entry(fault.kind).or_default().push(fault);
        }
        kinds
    }

    fn slowest_recovery(&self) -> f64 {
        self.faults.iter().filter_map(|fault| fault.recovery_s).fold(0.0, f64::max)
    }

    /// Returns a table of the kinds with their recovery times.
    fn table(&self) -> String {
        let mut table = format!(
            "SEED={}: {self}\n\n| kind | faults | recovery, median | slowest |\n|---|---|---|---|\n",
            self.seed
        );
        for (kind, faults) in self.by_kind() {
            let mut recoveries: Vec<f64> = faults.iter().filter_map(|fault| fault.recovery_s).collect();
            recoveries.sort_by(f64::total_cmp);
            let at = |place: usize| recoveries.get(place).map_or("-".to_owned(), |seconds| format!("{seconds:.1} s"));
            let (median, slowest) = (at(recoveries.len() / 2), at(recoveries.len().saturating_sub(1)));
            let _written = writeln!(table, "| {kind} | {} | {median} | {slowest} |", faults.len());
        }
        table
    }
}

/// The closing line of a run.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (faults, kinds) = (self.faults.len(), self.by_kind().len());
        write!(f, "faults={faults} kinds={kinds} {} slowest_recovery={:.1}s", self.verdict, self.slowest_recovery())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let fault = |kind, recovery_s| FaultReport { kind, at_s: 1.0, what: "pid 7".to_owned(), recovery_s };
        Report {
            started_at: DateTime::UNIX_EPOCH,
            seconds: 9.0,
            seed: 1,
            instances: 3,
            shoppers: 30,
            machine: Machine::detect(),
            faults: vec![
                fault(Kind::FlushAll, Some(0.25)),
                fault(Kind::RedisCut, Some(1.5)),
                fault(Kind::FlushAll, Some(0.5)),
            ],
            missing: Vec::new(),
            verdict: Verdict { acked: 9, ..Verdict::default() },
            unplanned_ends: 0,
            refusals: BTreeMap::new(),
            notes: Vec::new(),
        }
    }

    #[test]
    fn the_closing_line_is_stable() {
        assert_eq!(
            report().to_string(),
            "faults=3 kinds=2 acked=9 lost=0 oversold=0 over_limit=0 double_receipt=0 false_refusal=0 unresolved=0 \
             drift=0 double_charge=0 charged_not_paid=0 paid_not_charged=0 ended_early=0 two_fates=0 unreturned=0 \
             returned_twice=0 slowest_recovery=1.5s"
        );
        assert!(report().table().contains("| flushall | 2 | 0.5 s | 0.5 s |\n"));
    }

    #[test]
    fn anything_that_is_wrong_or_was_not_tried_fails_the_run() {
        assert!(report().passed());
        let failures: [fn(&mut Report); 4] = [
            |report| report.verdict.drift = 1,
            |report| report.faults[1].recovery_s = None,
            |report| report.missing.push(Kind::OneCode),
            |report| report.unplanned_ends = 1,
        ];
        for fail in failures {
            let mut report = report();
            fail(&mut report);
            assert!(!report.passed());
        }
    }
}
