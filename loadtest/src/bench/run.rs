//! The course of a bench.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::signal::unix::{SignalKind, signal};

use super::engine::Measured;
use super::loads::Loads;
use super::plan::Plan;
use super::redis_server::Pauses;
use super::reference::Reference;
use super::results::{Figure, LoadResult, Results};
use super::row::Row;
use super::services::Services;
use super::shop::Shop;
use super::{Error, burst, growth, memory, opening, recovery, sell_out, table};
use crate::machine::Machine;
use crate::report;

/// What to run.
#[derive(Debug, Clone)]
pub enum Course {
    Rows(Plan),
    Growth(Plan),
}

/// The state of a running bench.
pub struct Bench {
    pub services: Services,
    pub reference: Reference,
    pub failures: Vec<String>,
    pub loads: Vec<LoadResult>,
    figures: Vec<Figure>,
    pauses: Vec<(String, Pauses)>,
}

/// Runs a bench and writes its results below this directory. Stops everything that it started, also when interrupted.
pub async fn run(course: Course, program: PathBuf, results: PathBuf) -> Result<Results, Error> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let started_at = Utc::now();
    let started = Instant::now();
    let name = match course {
        Course::Rows(_) => "bench",
        Course::Growth(_) => "bench-growth",
    };
    let directory = report::make_directory(&results, started_at, name)?;
    let service = program.display().to_string();
    let mut bench = Bench {
        services: Services::new(program, directory.join("service.log")),
        reference: Reference::start().await?,
        failures: Vec::new(),
        loads: Vec::new(),
        figures: Vec::new(),
        pauses: Vec::new(),
    };
    let ended = tokio::select! {
        () = bench.measure(&course) => Ok(()),
        _ = interrupt.recv() => Err(Error::Interrupted),
        _ = terminate.recv() => Err(Error::Interrupted),
    };
    bench.services.stop().await;
    ended?;
    let results = bench.results(started_at, started.elapsed(), service);
    println!("\n{}", table::all_pauses(&results));
    println!("report: {}", results.write(&directory)?.display());
    Ok(results)
}

impl Bench {
    async fn measure(&mut self, course: &Course) {
        match course {
            Course::Rows(plan) => {
                println!("{}", table::head());
                for row in &plan.rows {
                    if let Err(error) = self.row(*row, plan).await {
                        self.fail(row.name(), &error.to_string());
                    }
                }
            }
            Course::Growth(plan) => growth::measure(self, plan).await,
        }
    }

    /// Measures a row against a service of its own, so that no row leaves anything to the next one.
    async fn row(&mut self, row: Row, plan: &Plan) -> Result<(), Error> {
        let Bench { services, reference, .. } = self;
        let figures = match row {
            Row::Memory => memory::measure(services, plan).await?,
            _ => {
                let sale_items = if row == Row::SellOut { plan.sold_items } else { plan.sale_items };
                let mut shop = Shop::open(services, 1, sale_items).await?;
                let mut figures = Vec::new();
                match row {
                    Row::SellOut => figures = sell_out::measure(&mut shop, plan).await?,
                    Row::Opening => figures = opening::measure(&mut shop, plan).await?,
                    Row::Recovery => figures = recovery::measure(&mut shop, plan).await?,
                    Row::Burst => figures = burst::measure(&shop, plan).await?,
                    _ => {
                        let mut loads = Loads::new(row, plan);
                        for connections in &plan.connections {
                            let title = row.title().to_owned();
                            let load = Load { shop: &mut shop, loads: &mut loads, connections: *connections, plan };
                            let (result, sample) = load.measure(reference, row.name().to_owned(), title).await?;
                            println!("{}", table::load(&result));
                            self.loads.push(result);
                            self.failures.extend(sample.map(|sample| format!("{}: {sample}", row.name())));
                        }
                    }
                }
                let (fault, pauses) = (shop.verify().await?, shop.pauses()?);
                self.failures.extend(fault.map(|fault| format!("{}: {fault}", row.name())));
                if pauses != Pauses::default() {
                    self.pauses.push((row.name().to_owned(), pauses));
                }
                figures
            }
        };
        figures.iter().for_each(|figure| println!("{}", table::figure(figure)));
        self.figures.extend(figures);
        Ok(())
    }

    pub fn fail(&mut self, row: &str, reason: &str) {
        println!("{row}: {reason}");
        self.failures.push(format!("{row}: {reason}"));
    }

    fn results(self, started_at: DateTime<Utc>, took: Duration, service: String) -> Results {
        Results {
            started_at,
            seconds: took.as_secs_f64(),
            command: std::env::args().skip(1).collect::<Vec<_>>().join(" "),
            service,
            machine: Machine::detect(),
            passed: self.failures.is_empty(),
            failures: self.failures,
            loads: self.loads,
            figures: self.figures,
            pauses: self.pauses,
        }
    }
}

/// One load on a shop.
pub struct Load<'a, 'b> {
    pub shop: &'a mut Shop<'b>,
    pub loads: &'a mut Loads,
    pub connections: usize,
    pub plan: &'a Plan,
}

impl Load<'_, '_> {
    /// Measures the bare server and then the load. Returns the result and the first unexpected response.
    pub async fn measure(
        self,
        reference: &Reference,
        name: String,
        title: String,
    ) -> Result<(LoadResult, Option<String>), Error> {
        let Load { shop, loads, connections, plan } = self;
        let traffic = loads.traffic(shop, connections).await?;
        let bare: Measured = reference.measure(connections, plan.reference_length).await?;
        let open = shop.connect(connections).await?;
        let before = shop.processes.cpu_times()?;
        let measured = open.run(traffic, plan.length).await?;
        let cpu = shop.processes.cpu_times()?.per_request(before, measured.requests);
        Ok((LoadResult::new(name, title, connections, &measured, &bare, cpu), measured.sample))
    }
}
