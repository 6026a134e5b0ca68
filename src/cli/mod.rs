//! The commands.

mod config;
mod connection;
mod healthcheck;
mod local;
mod migrate;
mod order;
mod provider;
mod purchase;
mod sale;
mod serve;
mod token;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{LogConfig, TraceConfig};
use crate::infrastructure::telemetry::{self, Traces};

/// A flash-sale service: nothing sold twice, nothing acknowledged and lost.
#[derive(Debug, Parser)]
#[command(name = "flashsale", version, about, max_term_width = 120)]
pub struct Cli {
    #[command(flatten)]
    log: LogConfig,
    #[command(flatten)]
    traces: TraceConfig,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve with a private Redis and PostgreSQL, which start and stop with the service
    Local(local::Local),
    /// Serve with the given Redis and PostgreSQL
    Serve(serve::Serve),
    /// Change or show the database schema
    Migrate(migrate::Migrate),
    /// Create, list and end sales
    Sale(sale::SaleCommand),
    /// Void purchases
    Purchase(purchase::PurchaseCommand),
    /// Stand in for a payment provider that can be told to misbehave: a process and a database of its own, for tests
    Provider(provider::ProviderCommand),
    /// Show, list and cancel orders
    Order(order::OrderCommand),
    /// Compare Redis with PostgreSQL and check every invariant of all sales; exits 1 if one is broken
    Verify(verify::Verify),
    /// Print a token of a user, signed with the first of TOKEN_KEYS, to try AUTH=signed
    Token(token::Token),
    /// Check if a running service is ready; exits 1 if not
    Healthcheck(healthcheck::Healthcheck),
    /// Print the settings in effect, without secrets
    Config(config::Config),
}

/// The error of a command. It is printed with its causes, and the exit code is 1.
type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Cli {
    /// Runs the command. Returns its exit code.
    pub fn run(self) -> ExitCode {
        match self.execute() {
            Ok(code) => code,
            Err(failure) => {
                eprintln!("flashsale: {}", with_causes(failure.as_ref()));
                ExitCode::FAILURE
            }
        }
    }

    fn execute(self) -> Result<ExitCode, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let traces = Traces::start(&self.traces, runtime.handle())?;
        telemetry::init(&self.log.filter, self.log.format, traces.as_ref())?;
        let result = runtime.block_on(async {
            match self.command {
                Command::Local(local) => local.run().await,
                Command::Serve(serve) => serve.run().await,
                Command::Migrate(migrate) => migrate.run().await,
                Command::Sale(sale) => sale.run().await,
                Command::Purchase(purchase) => purchase.run().await,
                Command::Provider(provider) => provider.run().await,
                Command::Order(order) => order.run().await,
                Command::Verify(verify) => verify.run().await,
                Command::Healthcheck(healthcheck) => healthcheck.run().await,
                Command::Token(token) => token.run(),
                Command::Config(config) => config.run(),
            }
        });
        if let Some(traces) = traces {
            traces.finish();
        }
        result
    }
}

fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.extend([": ", &cause_text]);
        }
        source = cause.source();
    }
    text
}
