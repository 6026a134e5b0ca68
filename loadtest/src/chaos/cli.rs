//! The command: `loadtest chaos`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio::task::LocalSet;

use super::Error;
use super::kind::Kind;
use super::plan::Plan;
use super::report::Report;
use super::run;
use crate::cli::{default_program, positive, raise_file_limit};

/// The argument that selects this program.
pub const NAME: &str = "chaos";
/// Exit code of a run without a verdict. A failed run exits with 1.
const COULD_NOT_RUN: u8 = 2;
/// Connections of the shoppers, of the instances, and of the proxies in between.
const OPEN_FILES: u64 = 16_384;

/// Breaks a private service and its stores under load, and checks that nothing is lost.
#[derive(Debug, Parser)]
#[command(name = "loadtest chaos", bin_name = "loadtest chaos", version, max_term_width = 120)]
struct Cli {
    /// Seed of the schedule: the same seed gives the same faults in the same order
    #[arg(long, env = "SEED", default_value_t = 1)]
    seed: u64,
    /// Time after which no fault begins, such as 40m [default: 10m]
    #[arg(long, env = "DURATION", value_parser = positive)]
    duration: Option<Duration>,
    /// Largest number of faults
    #[arg(long, env = "FAULTS", value_parser = clap::value_parser!(u32).range(1..))]
    faults: Option<u32>,
    /// Kinds of faults, or groups of kinds, such as redis-killed,links [default: all]
    #[arg(long, env = "KINDS", value_delimiter = ',')]
    kinds: Vec<String>,
    /// Instances of the service
    #[arg(long, env = "INSTANCES", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=3))]
    instances: u32,
    /// Shoppers
    #[arg(long, env = "USERS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    users: u32,
    /// Length of an outage of PostgreSQL or the provider [default: 60s]
    #[arg(long, env = "OUTAGE", value_parser = positive)]
    outage: Option<Duration>,
    /// One fault of each kind that takes a few seconds, in less than three minutes
    #[arg(long)]
    smoke: bool,
    /// Path of the service program [default: `flashsale` in the directory of this program]
    #[arg(long, env = "PROGRAM")]
    program: Option<PathBuf>,
    /// Directory for the results
    #[arg(long, env = "RESULTS", default_value = "loadtest/results")]
    results: PathBuf,
}

/// Parses the command line and runs.
pub fn run() -> ExitCode {
    match Cli::parse_from(std::env::args_os().skip(1)).execute() {
        Ok(report) => {
            println!("{report}");
            if report.faults.is_empty() {
                eprintln!("loadtest chaos: no fault began within the time: raise DURATION");
                return ExitCode::from(COULD_NOT_RUN);
            }
            if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("loadtest chaos: {error}");
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

impl Cli {
    fn execute(self) -> Result<Report, Error> {
        raise_file_limit(OPEN_FILES)?;
        let plan = self.plan().map_err(Error::Failed)?;
        let program = self.program.map_or_else(default_program, Ok)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, run::run(plan, &program, &self.results))
    }

    fn plan(&self) -> Result<Plan, String> {
        let mut kinds = if self.smoke { Kind::quick() } else { Kind::all() };
        if !self.kinds.is_empty() {
            kinds = self.kinds.iter().map(|name| Kind::find(name)).collect::<Result<Vec<_>, _>>()?.concat();
        }
        let (duration, outage) = if self.smoke { (175, 3) } else { (600, 60) };
        Ok(Plan {
            seed: self.seed,
            faults: self.faults.map_or(if self.smoke { kinds.len() } else { usize::MAX }, |faults| faults as usize),
            kinds,
            duration: self.duration.unwrap_or(Duration::from_secs(duration)),
            instances: self.instances as usize,
            shoppers: self.users,
            outage: self.outage.unwrap_or(Duration::from_secs(outage)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_bound_the_plan() {
        let plan = |args: &[&str]| Cli::try_parse_from([&["chaos"], args].concat()).unwrap().plan();
        let bounded =
            plan(&["--kinds", "flushall,links", "--faults", "9", "--duration", "40m", "--seed", "7"]).unwrap();
        assert_eq!((bounded.kinds.len(), bounded.faults, bounded.seed), (8, 9, 7));
        assert_eq!(bounded.duration, Duration::from_secs(2_400));
        assert_eq!(plan(&["--smoke"]).unwrap().faults, Kind::quick().len());
        assert!(plan(&["--kinds", "earthquake"]).is_err());
        assert!(Cli::try_parse_from(["chaos", "--instances", "4"]).is_err());
    }
}
