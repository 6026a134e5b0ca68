//! The command: `loadtest streams`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tokio::task::LocalSet;

use super::results::Results;
use super::run;
use crate::bench::Error;
use crate::cli::{default_program, raise_file_limit};

/// The argument that selects this program.
pub const NAME: &str = "streams";
/// Exit code of a run without a verdict. A failed run exits with 1.
const COULD_NOT_RUN: u8 = 2;
/// Open files besides the streams.
const OTHER_FILES: u64 = 4_000;

/// Measures streams of live stock while a sale sells out: their memory, lag and bytes, and what they cost purchases.
#[derive(Debug, Clone, Parser)]
#[command(name = "loadtest streams", version, about, max_term_width = 120)]
pub struct Cli {
    /// Number of streams
    #[arg(long, env = "STREAMS", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub streams: u32,
    /// Number of streams that nobody reads
    #[arg(long, env = "STALLED", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub stalled: u32,
    /// Arrivals per second in the rush
    #[arg(long, env = "RATE", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate: u32,
    /// Number of items in the sale
    #[arg(long, env = "ITEMS", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub items: u32,
    /// Path of the service program [default: `flashsale` in the directory of this program]
    #[arg(long, env = "PROGRAM")]
    program: Option<PathBuf>,
    /// Directory for the results
    #[arg(long, env = "RESULTS", default_value = "loadtest/results")]
    pub results: PathBuf,
}

/// Parses the command line and runs the measurement.
pub fn run() -> ExitCode {
    match Cli::parse_from(std::env::args_os().skip(1)).execute() {
        Ok(results) if results.failures.is_empty() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("loadtest streams: {error}");
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

impl Cli {
    fn execute(self) -> Result<Results, Error> {
        raise_file_limit(u64::from(self.streams.max(self.stalled)) + OTHER_FILES)?;
        let program = self.program.clone().map_or_else(default_program, Ok)?;
        // One thread leaves more of the machine to the service.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, run::run(&self, &program))
    }
}
