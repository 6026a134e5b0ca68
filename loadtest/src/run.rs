//! One run from beginning to end.

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
use crate::drive::drive;
use crate::machine::Machine;
use crate::modes::{Arrivals, Mode};
use crate::outcome::{Operation, Refusal};
use crate::private::{self, Private};
use crate::recorder::Recorder;
use crate::report::{self, Report};
use crate::verdict::{self, Evidence};
use crate::verify::{self, Findings};
use crate::watch::{Sales, watch};
use crate::world::World;

/// How long a service may take until it has a sale to offer.
const OPEN_PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Private(#[from] private::Error),
    #[error("{0} shows no sale that is on: {1}. Is it running?")]
    NoSale(String, String),
    #[error("{0} is only for {1} tests")]
    Misplaced(&'static str, &'static str),
    #[error("interrupted")]
    Interrupted,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What a run is about.
struct Run<'a> {
    cli: &'a Cli,
    mode: Mode,
    base: String,
    private: Option<&'a Private>,
    started_at: DateTime<Utc>,
}

/// Runs a test of this mode, against the service that was named or one of its own, which ends with it.
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
        None => Some(Private::start(&cli.program()?, mode.sale_items, &directory.join("service.log"))?),
    };
    let report = tokio::select! {
        report = measure(cli, mode, private.as_mut(), started_at) => report,
        () = interrupted => Err(Error::Interrupted),
    };
    if let Some(private) = private {
        private.stop().await;
    }
    let report = report?;
    println!("report: {}", report.write(&directory)?.display());
    Ok(report)
}

async fn measure(
    cli: &Cli,
    mode: Mode,
    mut private: Option<&mut Private>,
    started_at: DateTime<Utc>,
) -> Result<Report, Error> {
    let base = match private.as_mut() {
        Some(private) => private.origin().await?,
        None => cli.base_url.clone().unwrap_or_default(),
    };
    Run { cli, mode, base, private: private.as_deref(), started_at }.measure().await
}

impl Run<'_> {
    async fn measure(&self) -> Result<Report, Error> {
        let recorder = Rc::new(Recorder::new());
        let client = Client::new(self.base.clone(), recorder.clone());
        let sale = self.open_sale(&client).await?;
        let health: Result<Health, _> = client.read("/health").await;
        println!(
            "{} against {}, sale {} with {} units left; seed {}",
            self.load(),
            self.base,
            sale.id,
            sale.units_remaining,
            self.cli.seed
        );
        let sales = Sales::new(&sale);
        let Mode { pace, duration, .. } = self.mode;
        let world = Rc::new(World::new(client, recorder, pace, duration, self.cli.seed));
        let until_sold_out = matches!(self.mode.arrivals, Arrivals::Rush { .. });
        tokio::select! {
            () = drive(&world, self.mode.arrivals) => {}
            () = watch(&world, &sales, until_sold_out) => {}
        }
        let took = world.started_at.elapsed();
        world.recorder.end();
        println!("\nasking the service about everything that shoppers were told");
        let audit = audit(&world, &sales).await;
        let verified = self.verify().await;
        Ok(self.report(&world, audit, verified, took, health.map_or("unknown".to_owned(), |health| health.version)))
    }

    async fn open_sale(&self, client: &Client) -> Result<Sale, Error> {
        let deadline = Instant::now() + OPEN_PATIENCE;
        loop {
            match client.read("/sales/active").await {
                Ok(sale) => return Ok(sale),
                Err(error) if Instant::now() > deadline => return Err(Error::NoSale(self.base.clone(), error)),
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// `None` where it is not known which stores the service has.
    async fn verify(&self) -> Option<Result<Findings, String>> {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        match self.private {
            Some(private) => Some(verify::run(&mut private.verification()).await),
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

    fn load(&self) -> String {
        let duration = humantime::format_duration(self.mode.duration);
        match self.mode.arrivals {
            Arrivals::Crowd { users } => format!("{users} shoppers for {duration}"),
            Arrivals::Rush { per_second } => format!("{per_second} arrivals/s until sold out, at most {duration}"),
        }
    }

    fn report(
        &self,
        world: &World,
        audit: Audit,
        verified: Option<Result<Findings, String>>,
        took: Duration,
        service_version: String,
    ) -> Report {
        world.recorder.look(|totals| {
            let is_private = self.private.is_some();
            let checks = verdict::checks(&Evidence { mode: &self.mode, is_private, totals, audit: &audit, verified });
            Report {
                mode: self.mode.name,
                load: self.load(),
                passed: verdict::is_passed(&checks),
                started_at: self.started_at,
                seconds: took.as_secs_f64(),
                command: command_line(),
                seed: self.cli.seed,
                service: if is_private {
                    format!("private, {} items", self.mode.sale_items)
                } else {
                    self.base.clone()
                },
                service_version,
                machine: Machine::this(),
                checks,
                acknowledged: totals.acknowledged,
                units_told: totals.units_told,
                answers: totals.answers(),
                buying: totals.buying.summary(),
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

/// The command as it can be given again: settings from the environment in front.
fn command_line() -> String {
    let settings = ["BASE_URL", "USERS", "RATE", "DURATION", "GOAL_P99", "ITEMS", "SEED"];
    let set = settings.iter().filter_map(|name| Some(format!("{name}={}", std::env::var(name).ok()?)));
    let program = std::env::args().next().unwrap_or_default();
    let program = Path::new(&program).file_name().unwrap_or_default().to_string_lossy().into_owned();
    set.chain([program]).chain(std::env::args().skip(1)).collect::<Vec<_>>().join(" ")
}
