//! The course of a bench.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::signal::unix::{SignalKind, signal};

use super::engine::Measured;
use super::loads::Loads;
use super::plan::Plan;
use super::processes::CpuTimes;
use super::redis_server::Pauses;
use super::reference::Reference;
use super::results::{Figure, LoadResult, Results, Second};
use super::row::Row;
use super::services::Services;
use super::shop::Shop;
use super::{Error, burst, expiry, flood, growth, hostile, memory, opening, recovery, sell_out, table};
use crate::machine::Machine;
use crate::report;

/// The kinds of benches.
#[derive(Debug, Clone)]
pub enum Course {
    Rows(Plan),
    Growth(Plan),
    Flood,
}

/// The state of a running bench.
pub struct Bench<'a> {
    pub services: &'a Services,
    pub reference: &'a Reference,
    pub failures: Vec<String>,
    pub loads: Vec<LoadResult>,
    pub figures: Vec<Figure>,
    /// The timeline of a flood.
    pub seconds: Vec<Second>,
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
        Course::Flood => "flood",
    };
    let directory = report::make_directory(&results, started_at, name)?;
    let service = program.display().to_string();
    let services = Services::new(program, directory.join("service.log"));
    let mut bench = Bench {
        services: &services,
        reference: &Reference::start().await?,
        failures: Vec::new(),
        loads: Vec::new(),
        figures: Vec::new(),
        seconds: Vec::new(),
        pauses: Vec::new(),
    };
    let ended = tokio::select! {
        () = bench.measure(&course) => Ok(()),
        _ = interrupt.recv() => Err(Error::Interrupted),
        _ = terminate.recv() => Err(Error::Interrupted),
    };
    services.stop().await;
    ended?;
    let results = bench.results(started_at, started.elapsed(), service);
    println!("\n{}", table::all_pauses(&results));
    println!("report: {}", results.write(&directory)?.display());
    Ok(results)
}

impl Bench<'_> {
    async fn measure(&mut self, course: &Course) {
        match course {
            Course::Rows(plan) => {
                println!("{}", table::head());
                if let Err(error) = self.rows(plan).await {
                    self.fail(&error.to_string());
                }
            }
            Course::Growth(plan) => {
                println!("{}", table::head());
                growth::measure(self, plan).await;
            }
            Course::Flood => {
                if let Err(error) = flood::measure(self).await {
                    self.fail(&error.to_string());
                }
                self.figures.iter().for_each(|figure| println!("{}", table::figure(figure)));
            }
        }
    }

    async fn rows(&mut self, plan: &Plan) -> Result<(), Error> {
        let mut shared = match plan.shares_service {
            true => Some(Shop::open_with_provider(self.services, 1, plan.sale_items).await?),
            false => None,
        };
        for row in &plan.rows {
            let figures = match row {
                Row::Memory => memory::measure(self.services, plan).await,
                _ => self.row(*row, plan, shared.as_mut()).await,
            };
            match figures {
                Ok(figures) => {
                    figures.iter().for_each(|figure| println!("{}", table::figure(figure)));
                    self.figures.extend(figures);
                }
                Err(error) => self.fail(&format!("{}: {error}", row.name())),
            }
        }
        Ok(())
    }

    /// Measures a row against this service, or against one of its own.
    async fn row(&mut self, row: Row, plan: &Plan, shared: Option<&mut Shop<'_>>) -> Result<Vec<Figure>, Error> {
        match shared {
            Some(shop) => self.row_of(row, plan, shop).await,
            None => {
                let sale_items = if row == Row::SellOut { plan.sold_items } else { plan.sale_items };
                let mut shop = match row.needs_provider() {
                    true => Shop::open_with_provider(self.services, 1, sale_items).await?,
                    false => Shop::open(self.services, 1, sale_items).await?,
                };
                self.row_of(row, plan, &mut shop).await
            }
        }
    }

    async fn row_of(&mut self, row: Row, plan: &Plan, shop: &mut Shop<'_>) -> Result<Vec<Figure>, Error> {
        shop.sell_with(row.payment_window());
        let figures = match row {
            Row::SellOut => sell_out::measure(shop, plan).await?,
            Row::Expiry => expiry::measure(shop, plan).await?,
            Row::Opening => opening::measure(shop, plan).await?,
            Row::Recovery => recovery::measure(shop, plan).await?,
            Row::Burst => burst::measure(shop, plan).await?,
            Row::Hostile => hostile::measure(shop, plan).await?,
            _ => {
                let mut loads = Loads::new(row, plan);
                for connections in &plan.connections {
                    let load = Load { shop, loads: &mut loads, connections: *connections, plan };
                    self.load(load, row.name(), row.title()).await?;
                }
                if row == Row::PurchaseOrder { self.shares_with_orders() } else { Vec::new() }
            }
        };
        self.check(shop, row.name()).await?;
        Ok(figures)
    }

    /// Returns the throughput of purchases with orders as a share of that without, where both were measured.
    fn shares_with_orders(&self) -> Vec<Figure> {
        let of = |row: Row| self.loads.iter().filter(move |load| load.name == row.name());
        let share = |with: &LoadResult| {
            let without = of(Row::Purchase).find(|without| without.connections == with.connections)?;
            let what = format!("{} connections, share of purchases without (goal: 0.8)", with.connections);
            Some(Figure::new(Row::PurchaseOrder, what, with.ratio / without.ratio, ""))
        };
        of(Row::PurchaseOrder).filter_map(share).collect()
    }

    /// Verifies what was sold, and notes what held Redis.
    pub async fn check(&mut self, shop: &mut Shop<'_>, name: &str) -> Result<(), Error> {
        if let Some(fault) = shop.verify().await? {
            self.fail(&format!("{name}: {fault}"));
        }
        let pauses = shop.pauses()?;
        shop.redis.forget_pauses()?;
        if pauses != Pauses::default() {
            self.pauses.push((name.to_owned(), pauses));
        }
        Ok(())
    }

    /// Measures a load and prints its line.
    pub async fn load(&mut self, load: Load<'_, '_>, name: &str, title: &str) -> Result<(), Error> {
        let connections = load.connections;
        let (measured, bare, cpu) = load.measure(self.reference).await?;
        let mut result = LoadResult::new(name, title, connections, &measured, &bare, cpu);
        let is_live = |other: &&LoadResult| other.name == Row::Live.name() && other.connections == connections;
        result.of_live = self.loads.iter().find(is_live).map(|live| result.ratio / live.ratio);
        println!("{}", table::load(&result));
        self.loads.push(result);
        if let Some(sample) = measured.sample {
            self.fail(&format!(
                "{name}, {connections} connections: {} unexpected, first {sample}",
                measured.unexpected
            ));
        }
        Ok(())
    }

    pub fn fail(&mut self, reason: &str) {
        println!("{reason}");
        self.failures.push(reason.to_owned());
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
            timeline: self.seconds,
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
    /// Measures the bare server and then the load. Returns both, and the CPU time of a request of the load.
    async fn measure(self, reference: &Reference) -> Result<(Measured, Measured, CpuTimes), Error> {
        let Load { shop, loads, connections, plan } = self;
        let traffic = loads.traffic(shop, connections).await?;
        let bare = reference.measure(connections, plan.reference_length).await?;
        let open = shop.connect(connections).await?;
        let before = shop.processes.cpu_times()?;
        let measured = open.run(traffic, plan.length).await?;
        let cpu = shop.processes.cpu_times()?.per_request(before, measured.requests);
        Ok((measured, bare, cpu))
    }
}
