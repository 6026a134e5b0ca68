//! The command: `loadtest bench`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio::task::LocalSet;

use super::Error;
use super::flood;
use super::plan::Plan;
use super::row::Row;
use super::run::{self, Course};
use crate::cli::{default_program, raise_file_limit};

/// The argument that selects this program.
pub const NAME: &str = "bench";
/// Exit code of a bench that did not run to its end. A failed bench exits with 1.
const COULD_NOT_RUN: u8 = 2;

/// Measures peak throughput and its cost against a private service, in about five minutes.
#[derive(Debug, Parser)]
#[command(name = "loadtest bench", bin_name = "loadtest bench", version, max_term_width = 120)]
struct Cli {
    /// Rows to measure, such as purchase,buy-now [default: all]
    #[arg(long, env = "ROWS", value_delimiter = ',', value_parser = Row::find)]
    rows: Vec<Row>,
    /// Numbers of connections [default: 1,16,64,256,1024]
    #[arg(long, env = "CONNECTIONS", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: Vec<u32>,
    /// Length of each load in seconds [default: 1.5]
    #[arg(long, value_parser = seconds)]
    seconds: Option<Duration>,
    /// Path of the service program [default: `flashsale` in the directory of this program]
    #[arg(long, env = "PROGRAM")]
    program: Option<PathBuf>,
    /// Directory for the results
    #[arg(long, env = "RESULTS", default_value = "loadtest/results")]
    results: PathBuf,
    /// Measure each row for a moment and with small numbers, to check that it works
    #[arg(long, conflicts_with = "growth")]
    smoke: bool,
    /// Measure the cost with more items, instances, live sales and connections instead
    #[arg(long, conflicts_with_all = ["rows", "connections"])]
    growth: bool,
    /// Offer five times the capacity for 20 s instead, and measure what is still sold
    #[arg(long, conflicts_with_all = ["rows", "connections", "seconds", "smoke", "growth"])]
    flood: bool,
}

/// Parses the command line and runs the bench.
pub fn run() -> ExitCode {
    match Cli::parse_from(std::env::args_os().skip(1)).execute() {
        Ok(failures) if failures.is_empty() => ExitCode::SUCCESS,
        Ok(failures) => {
            failures.iter().for_each(|failure| println!("FAIL  {failure}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("loadtest bench: {error}");
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

impl Cli {
    /// Returns what failed.
    fn execute(self) -> Result<Vec<String>, Error> {
        let plan = self.plan();
        raise_file_limit(if self.flood { flood::OPEN_FILES } else { plan.open_files() })?;
        let program = self.program.map_or_else(default_program, Ok)?;
        let course = match (self.flood, self.growth) {
            (true, _) => Course::Flood,
            (false, true) => Course::Growth(plan),
            (false, false) => Course::Rows(plan),
        };
        // One thread leaves more of the machine to the service.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let results = LocalSet::new().block_on(&runtime, run::run(course, program, self.results))?;
        Ok(results.failures)
    }

    fn plan(&self) -> Plan {
        let mut plan = if self.smoke { Plan::smoke() } else { Plan::full() };
        if !self.rows.is_empty() {
            plan.rows.retain(|row| self.rows.contains(row));
        }
        if !self.connections.is_empty() {
            plan.connections = self.connections.iter().map(|count| *count as usize).collect();
        }
        plan.length = self.seconds.unwrap_or(plan.length);
        plan
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "must be a number of seconds, such as 1.5".to_owned())?;
    if (0.05..=60.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("must be 0.05 to 60".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_connections_and_seconds_change_the_plan() {
        let args = ["bench", "--rows", "purchase,buy-now", "--connections", "64", "--seconds", "3"];
        let plan = Cli::try_parse_from(args).unwrap().plan();
        assert_eq!(plan.rows, [Row::Purchase, Row::BuyNow]);
        assert_eq!((plan.connections, plan.length), (vec![64], Duration::from_secs(3)));
        for wrong in [["--rows", "nothing"], ["--connections", "0"], ["--seconds", "0"]] {
            assert!(Cli::try_parse_from(["bench"].iter().chain(&wrong)).is_err(), "{wrong:?}");
        }
    }
}
