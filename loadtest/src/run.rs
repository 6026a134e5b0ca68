//! One run of a load test.

use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep};

use crate::api::{Health, Sale};
use crate::audit::{Audit, audit};
use crate::cli::Cli;
use crate::client::Client;
use crate::context::RunContext;
use crate::load_generator::generate_load;
use crate::machine::Machine;
use crate::modes::{Arrivals, Mode};
use crate::monitor::{ObservedSales, monitor};
use crate::outcome::{Operation, Refusal};
use crate::private_service::{self, PrivateService, ProviderAccess};
use crate::recorder::Recorder;
use crate::report::{self, Report};
use crate::verdict::{self, Evidence};
use crate::verify::{self, Findings};

/// Time for the service to show an active sale.
const SALE_TIMEOUT: Duration = Duration::from_secs(30);

/// An error that prevents a verdict.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Private(#[from] private_service::Error),
    #[error("{0} shows no active sale ({1}); check that the service is running and a sale is active")]
    NoSale(String, String),
    #[error("{0} applies only to {1} tests; remove it or choose another mode")]
    WrongMode(&'static str, &'static str),
    #[error("interrupted")]
    Interrupted,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The settings of a run.
struct Run<'a> {
    cli: &'a Cli,
    mode: Mode,
    base: String,
    provider: Option<ProviderAccess>,
    private: Option<&'a PrivateService>,
    started_at: DateTime<Utc>,
}

/// Runs a test in this mode against the given service, or against a private one that it stops afterwards.
pub async fn run(cli: &Cli, mode: Mode) -> Result<Report, Error> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let interrupted = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    let started_at = Utc::now();
    let directory = report::make_directory(&cli.results, started_at, mode.name)?;
    let mut private = match cli.base_url {
        Some(_) => None,
        None => {
            let window = cli.payment_window.map(|window| humantime::format_duration(window).to_string());
            let items = mode.sale_items.to_string();
            let settings: Vec<(&str, &str)> = [("SALE_ITEMS", &*items)]
                .into_iter()
                .chain(window.as_deref().map(|it| ("PAYMENT_WINDOW", it)))
                .collect();
            Some(PrivateService::start(&cli.program()?, &settings, &directory.join("service.log"))?)
        }
    };
    let report = tokio::select! {
        report = measure(cli, mode, private.as_mut(), started_at) => report,
        () = interrupted => Err(Error::Interrupted),
    };
    if let Some(mut private) = private {
        private.stop().await;
    }
    let report = report?;
    println!("report: {}", report.write(&directory)?.display());
    Ok(report)
}

async fn measure(
    cli: &Cli,
    mode: Mode,
    mut private: Option<&mut PrivateService>,
    started_at: DateTime<Utc>,
) -> Result<Report, Error> {
    let (base, provider) = match private.as_mut() {
        Some(private) => {
            let state = private.state().await?;
            (format!("http://{}", state.service.listen), state.provider)
        }
        None => (cli.base_url.clone().expect("there is a base URL if there is no private service"), None),
    };
    Run { cli, mode, base, provider, private: private.as_deref(), started_at }.measure().await
}

impl Run<'_> {
    async fn measure(&self) -> Result<Report, Error> {
        let recorder = Rc::new(Recorder::new());
        let client = Client::new(self.base.clone(), recorder.clone());
        let sale = self.wait_for_sale(&client).await?;
        let service_version = client.get_json("/health").await.map_or_else(
            |error| {
                eprintln!("cannot read the version of the service: {error}");
                "unknown".to_owned()
            },
            |health: Health| health.version,
        );
        println!(
            "{} against {}: sale {}, {} units left, seed {}",
            self.describe_load(),
            self.base,
            sale.id,
            sale.units_remaining,
            self.cli.seed
        );
        let sales = ObservedSales::new(&sale);
        let Mode { pace, duration, .. } = self.mode;
        let context = Rc::new(RunContext::new(client, recorder, pace, duration, self.cli.seed));
        let until_sold_out = matches!(self.mode.arrivals, Arrivals::Rush { .. });
        tokio::select! {
            () = generate_load(&context, self.mode.arrivals) => {}
            () = monitor(&context, &sales, until_sold_out) => {}
        }
        let took = context.started_at.elapsed();
        context.recorder.end();
        if let Some((count, error)) = sales.failed_polls() {
            eprintln!("\nthe timeline has gaps: {count} polls of the sale failed, the last one with: {error}");
        }
        println!("\nauditing: comparing the acknowledged purchases with what the service shows");
        let audit = audit(&context, &sales, self.provider.as_ref()).await;
        let verified = self.verify().await;
        Ok(self.report(&context, audit, verified, took, service_version))
    }

    async fn wait_for_sale(&self, client: &Client) -> Result<Sale, Error> {
        let deadline = Instant::now() + SALE_TIMEOUT;
        loop {
            match client.get_json("/sales/active").await {
                Ok(sale) => return Ok(sale),
                Err(error) if Instant::now() > deadline => return Err(Error::NoSale(self.base.clone(), error)),
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// Runs `flashsale verify`. Returns `None` if the stores of the service are not known.
    async fn verify(&self) -> Option<Result<Findings, String>> {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        match self.private {
            Some(private) => Some(verify::run(&mut private.verify_command()).await),
            None if is_set("DATA_DIR") || is_set("DATABASE_URL") && is_set("REDIS_URL") => {
                let program = match self.cli.program() {
                    Ok(program) => program,
                    Err(error) => return Some(Err(error.to_string())),
                };
                Some(verify::run(Command::new(program).args(["verify", "--json"])).await)
            }
            None => None,
        }
    }

    fn describe_load(&self) -> String {
        let duration = humantime::format_duration(self.mode.duration);
        match self.mode.arrivals {
            Arrivals::Crowd { users } => format!("{users} shoppers for {duration}"),
            Arrivals::Rush { per_second } => format!("{per_second} arrivals/s until sold out, at most {duration}"),
        }
    }

    fn describe_service(&self) -> String {
        match (self.private, self.cli.payment_window) {
            (None, _) => self.base.clone(),
            (Some(_), None) => format!("private, {} items", self.mode.sale_items),
            (Some(_), Some(window)) => {
                let window = humantime::format_duration(window);
                format!("private, {} items, to be paid within {window}", self.mode.sale_items)
            }
        }
    }

    fn report(
        &self,
        context: &RunContext,
        audit: Audit,
        verified: Option<Result<Findings, String>>,
        took: Duration,
        service_version: String,
    ) -> Report {
        context.recorder.read(|totals| {
            let is_private = self.private.is_some();
            let checks = verdict::checks(&Evidence { mode: &self.mode, is_private, totals, audit: &audit, verified });
            Report {
                mode: self.mode.name,
                load: self.describe_load(),
                passed: verdict::is_passed(&checks),
                started_at: self.started_at,
                seconds: took.as_secs_f64(),
                command: command_line(),
                seed: self.cli.seed,
                service: self.describe_service(),
                service_version,
                machine: Machine::detect(),
                checks,
                acknowledged: totals.acknowledged,
                units_acknowledged: totals.units_acknowledged,
                answers: totals.answers(),
                purchase_latency: totals.purchase_latencies.summary(),
                lateness: totals.lateness.summary(),
                operations: report::operations(totals),
                refusals: Refusal::ALL.into_iter().zip(totals.refusals).collect(),
                turned_away: totals.turned_away(&Operation::ALL),
                unexpected: totals.unexpected,
                unexpected_samples: totals.unexpected_samples.clone(),
                hung_up: totals.hung_up,
                repeats: totals.repeats,
                profiles: report::profiles(totals),
                audit: audit.clone(),
                timeline: totals.timeline.clone(),
            }
        })
    }
}

/// Returns the command line, with the settings from the environment before it, so that it can be run again.
fn command_line() -> String {
    let settings = ["BASE_URL", "USERS", "RATE", "DURATION", "GOAL_P99", "ITEMS", "PAYMENT_WINDOW", "SEED"];
    let set = settings.iter().filter_map(|name| Some(format!("{name}={}", std::env::var(name).ok()?)));
    let program = std::env::args().next().unwrap_or_default();
    let program = Path::new(&program).file_name().unwrap_or_default().to_string_lossy().into_owned();
    set.chain([program]).chain(std::env::args().skip(1)).collect::<Vec<_>>().join(" ")
}
