//! The command: `loadtest MODE`.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use hyper::Uri;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::task::LocalSet;

use crate::client::IN_FLIGHT_MAX;
use crate::modes::{self, Arrivals, Mode};
use crate::report::Report;
use crate::run;
use crate::verdict;

/// Exit code of a run without a verdict. A failed run exits with 1.
const COULD_NOT_RUN: u8 = 2;

/// Load test for the flash-sale service: simulates shoppers and gives a verdict.
#[derive(Debug, Parser)]
#[command(name = "loadtest", version, about, max_term_width = 120)]
#[command(after_help = "`loadtest bench` measures peak throughput: see `loadtest bench --help`; \
                       `loadtest streams` measures streams of live stock: see `loadtest streams --help`; \
                       `loadtest chaos` breaks the service and its stores: see `loadtest chaos --help`.")]
pub struct Cli {
    /// Kind of load: realistic-light, realistic, realistic-heavy, realistic-stress or rush
    #[arg(value_parser = modes::find)]
    mode: Mode,
    /// Running service to test, http://host:port [default: start a private one and stop it afterwards]
    #[arg(long, env = "BASE_URL", value_parser = origin)]
    pub base_url: Option<String>,
    /// Number of shoppers in a realistic test
    #[arg(long, env = "USERS", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    users: Option<u32>,
    /// Arrivals per second in a rush
    #[arg(long, env = "RATE", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: Option<u32>,
    /// Time during which shoppers arrive, such as 5m or 90s
    #[arg(long, env = "DURATION", value_parser = positive)]
    duration: Option<Duration>,
    /// Latency goal: the p99 of purchases must be below it, such as 50ms
    #[arg(long, env = "GOAL_P99", value_parser = positive)]
    goal_p99: Option<Duration>,
    /// Number of items in the sale of a private service
    #[arg(long, env = "ITEMS", conflicts_with = "base_url", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    items: Option<u32>,
    /// Time in which purchases from a private service must be paid, such as 20s [default: nothing is to be paid]
    #[arg(long, env = "PAYMENT_WINDOW", conflicts_with = "base_url", value_parser = positive)]
    pub payment_window: Option<Duration>,
    /// Seed of all random decisions: the same seed gives the same decisions
    #[arg(long, env = "SEED", default_value_t = 1)]
    pub seed: u64,
    /// Path of the service program [default: `flashsale` in the directory of this program]
    #[arg(long, env = "PROGRAM")]
    program: Option<PathBuf>,
    /// Directory for the reports
    #[arg(long, env = "RESULTS", default_value = "loadtest/results")]
    pub results: PathBuf,
}

/// Parses the command line and runs the test.
pub fn run() -> ExitCode {
    match Cli::parse().execute() {
        Ok(report) if report.passed => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("loadtest: {error}");
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

impl Cli {
    fn execute(self) -> Result<Report, run::Error> {
        // More connections may be open than in use, and there are other files.
        raise_file_limit(3 * IN_FLIGHT_MAX as u64)?;
        // One thread needs no locks, and leaves more of a shared machine to the service.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let report = LocalSet::new().block_on(&runtime, run::run(&self, self.mode()?))?;
        print(&report);
        Ok(report)
    }

    /// Returns the mode with the settings of the command line applied.
    fn mode(&self) -> Result<Mode, run::Error> {
        let arrivals = match (self.mode.arrivals, self.users, self.rate) {
            (Arrivals::Crowd { .. }, Some(users), None) => Arrivals::Crowd { users },
            (Arrivals::Rush { .. }, None, Some(per_second)) => Arrivals::Rush { per_second },
            (arrivals, None, None) => arrivals,
            (Arrivals::Crowd { .. }, _, Some(_)) => return Err(run::Error::WrongMode("RATE", "rush")),
            (Arrivals::Rush { .. }, Some(_), _) => return Err(run::Error::WrongMode("USERS", "realistic")),
        };
        Ok(Mode {
            arrivals,
            duration: self.duration.unwrap_or(self.mode.duration),
            goal_p99: self.goal_p99.unwrap_or(self.mode.goal_p99),
            sale_items: self.items.unwrap_or(self.mode.sale_items),
            ..self.mode
        })
    }

    /// Returns the path of the service program.
    pub fn program(&self) -> Result<PathBuf, run::Error> {
        match &self.program {
            Some(program) => Ok(program.clone()),
            None => Ok(default_program()?),
        }
    }
}

/// Returns the path of the service program beside this program.
pub fn default_program() -> io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("flashsale"))
}

/// Raises the limit of open files for this process and the service that it starts. Returns the limit, which is lower
/// than needed if the system allows no more.
pub fn raise_file_limit(needed: u64) -> io::Result<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let Some(current) = current.filter(|current| *current < needed) else { return Ok(needed) };
    let allowed = maximum.map_or(needed, |maximum| maximum.min(needed)).max(current);
    setrlimit(Resource::Nofile, Rlimit { current: Some(allowed), maximum })?;
    Ok(allowed)
}

fn print(report: &Report) {
    println!();
    for check in &report.checks {
        let result = match check.result {
            verdict::CheckResult::Pass => "pass",
            verdict::CheckResult::Fail => "FAIL",
            verdict::CheckResult::Warning => "warning",
            verdict::CheckResult::NotRun => "not run",
        };
        println!("{result:>8}  {}: {} (expected: {})", check.name, check.found, check.expected);
    }
    report.unexpected_samples.iter().for_each(|sample| println!("          {sample}"));
    println!();
    println!(
        "{}  {}: {} purchases acknowledged ({:.1}/s), {} units ({:.1}/s), {} requests ({:.0}/s), {} refusals",
        if report.passed { "PASS" } else { "FAIL" },
        report.mode,
        report.acknowledged,
        report.purchases_per_second(),
        report.units_acknowledged,
        report.units_per_second(),
        report.answers,
        report.requests_per_second(),
        report.refused(),
    );
}

pub fn positive(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration.is_zero() { Err("must be greater than zero".to_owned()) } else { Ok(duration) }
}

/// Parses a URL of the form `http://host:port`.
fn origin(text: &str) -> Result<String, String> {
    let uri: Uri = text.parse().map_err(|error| format!("{error}"))?;
    match (uri.scheme_str(), uri.authority(), uri.path()) {
        (Some("http"), Some(authority), "/") if !authority.as_str().contains('@') => Ok(format!("http://{authority}")),
        _ => Err("must be http://host:port, without a path; the service itself does not speak TLS".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_may_end_with_a_slash() {
        for text in ["http://127.0.0.1:8080", "http://127.0.0.1:8080/"] {
            assert_eq!(origin(text).unwrap(), "http://127.0.0.1:8080");
        }
        for text in ["127.0.0.1:8080", "https://shop", "http://shop/path", "http://a:b@shop", ""] {
            assert!(origin(text).is_err(), "{text}");
        }
    }

    #[test]
    fn settings_apply_only_to_their_modes() {
        let mode = |args: &[&str]| Cli::try_parse_from(["loadtest"].iter().chain(args)).unwrap().mode();
        let light = mode(&["realistic-light", "--users", "7", "--duration", "3s", "--goal-p99", "9ms"]).unwrap();
        assert_eq!(light.arrivals, Arrivals::Crowd { users: 7 });
        assert_eq!((light.duration, light.goal_p99), (Duration::from_secs(3), Duration::from_millis(9)));
        assert_eq!(mode(&["rush", "--rate", "9"]).unwrap().arrivals, Arrivals::Rush { per_second: 9 });
        assert!(mode(&["rush", "--users", "7"]).is_err());
        assert!(mode(&["realistic", "--rate", "7"]).is_err());
        let conflicting = ["loadtest", "rush", "--items", "7", "--base-url", "http://shop"];
        assert!(Cli::try_parse_from(conflicting).is_err());
    }
}
