//! The command: `loadtest MODE`.

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

/// A failed run exits 1, one that could not take place 2.
const COULD_NOT_RUN: u8 = 2;

/// Shoppers for the flash-sale service, and a verdict.
#[derive(Debug, Parser)]
#[command(name = "loadtest", version, about, max_term_width = 120)]
pub struct Cli {
    /// realistic-light, realistic, realistic-heavy, realistic-stress or rush
    #[arg(value_parser = modes::find)]
    mode: Mode,
    /// The running service, http://host:port [default: a private one, fresh, and stopped in the end]
    #[arg(long, env = "BASE_URL", value_parser = origin)]
    pub base_url: Option<String>,
    /// Shoppers of a realistic test
    #[arg(long, env = "USERS", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    users: Option<u32>,
    /// Arrivals a second of a rush
    #[arg(long, env = "RATE", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: Option<u32>,
    /// How long people come: 5m, 90s
    #[arg(long, env = "DURATION", value_parser = positive)]
    duration: Option<Duration>,
    /// 99 of 100 purchases must be acknowledged within this time
    #[arg(long, env = "GOAL_P99", value_parser = positive)]
    goal_p99: Option<Duration>,
    /// Items of the sale of a private service
    #[arg(long, env = "ITEMS", conflicts_with = "base_url", value_parser = clap::value_parser!(u32).range(1..=99_999))]
    items: Option<u32>,
    /// Makes shoppers do the same again
    #[arg(long, env = "SEED", default_value_t = 1)]
    pub seed: u64,
    /// The service program [default: `flashsale` beside this one]
    #[arg(long, env = "PROGRAM")]
    program: Option<PathBuf>,
    /// Where reports go
    #[arg(long, env = "RESULTS", default_value = "loadtest/results")]
    pub results: PathBuf,
}

/// Runs the command to its end.
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
        allow_connections()?;
        // One thread: this client shares the machine with what it measures, and needs no locks this way.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let report = LocalSet::new().block_on(&runtime, run::run(&self, self.mode()?))?;
        print(&report);
        Ok(report)
    }

    /// The mode with what was asked for on top.
    fn mode(&self) -> Result<Mode, run::Error> {
        let arrivals = match (self.mode.arrivals, self.users, self.rate) {
            (Arrivals::Crowd { .. }, Some(users), None) => Arrivals::Crowd { users },
            (Arrivals::Rush { .. }, None, Some(per_second)) => Arrivals::Rush { per_second },
            (arrivals, None, None) => arrivals,
            (Arrivals::Crowd { .. }, _, Some(_)) => return Err(run::Error::Misplaced("RATE", "rush")),
            (Arrivals::Rush { .. }, Some(_), _) => return Err(run::Error::Misplaced("USERS", "realistic")),
        };
        Ok(Mode {
            arrivals,
            duration: self.duration.unwrap_or(self.mode.duration),
            goal_p99: self.goal_p99.unwrap_or(self.mode.goal_p99),
            sale_items: self.items.unwrap_or(self.mode.sale_items),
            ..self.mode
        })
    }

    /// The service program.
    pub fn program(&self) -> Result<PathBuf, run::Error> {
        match &self.program {
            Some(program) => Ok(program.clone()),
            None => Ok(std::env::current_exe()?.with_file_name("flashsale")),
        }
    }
}

/// Lets this process, and a service it starts, have as many connections as it may need.
fn allow_connections() -> Result<(), run::Error> {
    // More connections may be open than are in use, and there are other files.
    let needed = 3 * IN_FLIGHT_MAX as u64;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < needed) {
        let allowed = maximum.map_or(needed, |maximum| maximum.min(needed));
        let limit = Rlimit { current: Some(allowed), maximum };
        setrlimit(Resource::Nofile, limit).map_err(|error| run::Error::Io(error.into()))?;
    }
    Ok(())
}

fn print(report: &Report) {
    println!();
    for check in &report.checks {
        let result = match check.result {
            verdict::Result::Pass => "pass",
            verdict::Result::Fail => "FAIL",
            verdict::Result::Warning => "warning",
            verdict::Result::NotRun => "not run",
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
        report.purchases_a_second(),
        report.units_told,
        report.units_a_second(),
        report.answers,
        report.requests_a_second(),
        report.refused(),
    );
}

fn positive(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration.is_zero() { Err("must be more than nothing".to_owned()) } else { Ok(duration) }
}

/// `http://host:port` of whatever was given.
fn origin(text: &str) -> Result<String, String> {
    let uri: Uri = text.parse().map_err(|error| format!("{error}"))?;
    match (uri.scheme_str(), uri.authority(), uri.path()) {
        (Some("http"), Some(authority), "/") if !authority.as_str().contains('@') => Ok(format!("http://{authority}")),
        _ => Err("must be http://host:port: TLS ends in front of the service".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_taken_with_or_without_a_slash() {
        for text in ["http://127.0.0.1:8080", "http://127.0.0.1:8080/"] {
            assert_eq!(origin(text).unwrap(), "http://127.0.0.1:8080");
        }
        for text in ["127.0.0.1:8080", "https://shop", "http://shop/path", "http://a:b@shop", ""] {
            assert!(origin(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_mode_is_changed_by_what_belongs_to_it() {
        let mode = |args: &[&str]| Cli::try_parse_from(["loadtest"].iter().chain(args)).unwrap().mode();
        let light = mode(&["realistic-light", "--users", "7", "--duration", "3s", "--goal-p99", "9ms"]).unwrap();
        assert_eq!(light.arrivals, Arrivals::Crowd { users: 7 });
        assert_eq!((light.duration, light.goal_p99), (Duration::from_secs(3), Duration::from_millis(9)));
        assert_eq!(mode(&["rush", "--rate", "9"]).unwrap().arrivals, Arrivals::Rush { per_second: 9 });
        assert!(mode(&["rush", "--users", "7"]).is_err());
        assert!(mode(&["realistic", "--rate", "7"]).is_err());
        let of_private = ["loadtest", "rush", "--items", "7", "--base-url", "http://shop"];
        assert!(Cli::try_parse_from(of_private).is_err());
    }
}
