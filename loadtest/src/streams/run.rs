//! Three sales with the same rush: without streams, with many, and with readers who read nothing.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::rc::Rc;
use std::time::{Duration, Instant};

use chrono::Utc;
use serde::Deserialize;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use super::cli::Cli;
use super::reader::{Measured, open_stalled, read};
use super::results::{Results, SoldOut};
use crate::bench::Error;
use crate::bench::processes::Processes;
use crate::client::Client;
use crate::latency::Summary;
use crate::private_service::PrivateService;
use crate::recorder::Recorder;
use crate::report::make_directory;

/// Time for the service to settle.
const SETTLE: Duration = Duration::from_secs(2);
/// Streams that are opened at once, and the longest wait for all of them.
const OPENED_AT_ONCE: usize = 100;
const OPEN_TIMEOUT: Duration = Duration::from_secs(60);
const SALE_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest wait for the end of the streams of a sale that is sold out.
const END_TIMEOUT: Duration = Duration::from_secs(10);
const MEMORY_EVERY: Duration = Duration::from_millis(250);
/// Connections of shoppers.
const CONNECTIONS: &str = "4000";

/// Measures all three sales, and writes the results.
pub async fn run(cli: &Cli, program: &Path) -> Result<Results, Error> {
    let directory = make_directory(&cli.results, Utc::now(), super::cli::NAME)?;
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let measuring = async {
        let without = sell_out(cli, program, &directory, 0, 0).await?;
        let streaming = sell_out(cli, program, &directory, cli.streams, 0).await?;
        let stalling = sell_out(cli, program, &directory, 0, cli.stalled).await?;
        Ok::<Results, Error>(Results::new(without, streaming, stalling))
    };
    let results = tokio::select! {
        results = measuring => results?,
        _ = interrupt.recv() => return Err(Error::Interrupted),
        _ = terminate.recv() => return Err(Error::Interrupted),
    };
    results.print();
    println!("results: {}", results.write(&directory)?.display());
    Ok(results)
}

/// Sells a sale of a new service out while these streams are open.
async fn sell_out(cli: &Cli, program: &Path, directory: &Path, streams: u32, stalled: u32) -> Result<SoldOut, Error> {
    let (items, places) = (cli.items.to_string(), (streams + stalled).to_string());
    let settings =
        [("SALE_ITEMS", &*items), ("MAX_STREAMS", &places), ("MAX_CONNECTIONS", CONNECTIONS), ("LOG", "warn")];
    let mut service = PrivateService::start(program, &settings, &directory.join("service.log"))?;
    let sold_out = measure(cli, directory, &mut service, streams, stalled).await;
    service.stop().await;
    sold_out
}

async fn measure(
    cli: &Cli,
    directory: &Path,
    service: &mut PrivateService,
    streams: u32,
    stalled: u32,
) -> Result<SoldOut, Error> {
    let state = service.state().await?;
    let (address, processes) = (state.service.listen, Processes::new(&state));
    let path: Rc<str> = format!("/sales/{}/events", current_sale(address).await?).into();
    sleep(SETTLE).await;
    let before_mb = processes.service_memory_mb()?;

    let (opening, measured) = (Instant::now(), Rc::new(RefCell::new(Measured::new())));
    open(address, &path, &measured, streams).await?;
    let mut unread = Vec::new();
    for _ in 0..stalled {
        unread.push(open_stalled(address, &path).await?);
    }
    let opening_seconds = opening.elapsed().as_secs_f64();
    sleep(SETTLE).await;
    let opened_mb = processes.service_memory_mb()?;
    println!("{streams} streams and {stalled} that nobody reads are open: {opened_mb:.1} MB");

    let most_mb = RefCell::new(opened_mb);
    let watching = async {
        loop {
            sleep(MEMORY_EVERY).await;
            let now = processes.service_memory_mb()?;
            most_mb.replace_with(|most| most.max(now));
        }
    };
    let begun = Instant::now();
    let purchases = tokio::select! {
        purchases = rush(cli, address, directory) => purchases?,
        stopped = watching => { let stopped: Result<(), Error> = stopped; stopped?; unreachable!("it watches on") }
    };
    let rush_seconds = begun.elapsed().as_secs_f64();
    let ended = async {
        while measured.borrow().ended < streams {
            sleep(Duration::from_millis(50)).await;
        }
    };
    if timeout(END_TIMEOUT, ended).await.is_err() {
        println!("{} of {streams} streams have ended", measured.borrow().ended);
    }
    let measured = measured.borrow();
    Ok(SoldOut {
        streams,
        stalled,
        before_mb,
        opened_mb,
        most_mb: *most_mb.borrow(),
        opening_seconds,
        rush_seconds,
        purchases,
        events: measured.events,
        snapshots: measured.snapshots,
        ended: measured.ended,
        lag: measured.lag.summary(),
        lag_most: measured.lag_most.summary(),
        bytes_mean: measured.bytes.iter().sum::<u64>() as f64 / measured.bytes.len().max(1) as f64,
        bytes_most: measured.bytes.iter().copied().max().unwrap_or(0),
    })
}

async fn current_sale(address: SocketAddr) -> Result<String, Error> {
    let client = Client::new(format!("http://{address}"), Rc::new(Recorder::new()));
    let deadline = Instant::now() + SALE_TIMEOUT;
    loop {
        match client.get_json::<crate::api::Sale>("/sales/active").await {
            Ok(sale) => return Ok(sale.id),
            Err(error) if Instant::now() > deadline => return Err(Error::Unexpected(error)),
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Opens streams, some at a time, and waits until all have begun.
async fn open(
    address: SocketAddr,
    path: &Rc<str>,
    measured: &Rc<RefCell<Measured>>,
    streams: u32,
) -> Result<(), Error> {
    let deadline = Instant::now() + OPEN_TIMEOUT;
    for number in 1..=streams as usize {
        let reading = read(address, path.clone(), measured.clone());
        spawn_local(async move {
            if let Err(error) = reading.await {
                eprintln!("a stream broke off: {error}");
            }
        });
        while number % OPENED_AT_ONCE == 0 && (measured.borrow().opened as usize) < number
            || number == streams as usize && measured.borrow().opened < streams
        {
            let refused = measured.borrow().refused;
            if refused > 0 || Instant::now() > deadline {
                return Err(Error::Unexpected(format!("{refused} of {number} streams were refused, or did not begin")));
            }
            sleep(Duration::from_millis(2)).await;
        }
    }
    Ok(())
}

/// Lets a rush of shoppers buy everything. Returns the latencies of their purchases.
async fn rush(cli: &Cli, address: SocketAddr, directory: &Path) -> Result<Summary, Error> {
    #[derive(Deserialize)]
    struct Report {
        buying: Summary,
    }
    let results = directory.join("rush");
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["rush", "--base-url", &format!("http://{address}"), "--rate", &cli.rate.to_string()]);
    command.arg("--results").arg(&results).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    for name in ["ITEMS", "USERS", "DATA_DIR", "DATABASE_URL", "REDIS_URL", "PAYMENT_WINDOW"] {
        command.env_remove(name);
    }
    let status = command.status().await?;
    let report = std::fs::read(results.join("latest/report.json"))?;
    let report: Report = serde_json::from_slice(&report).map_err(|error| Error::Unexpected(error.to_string()))?;
    if !status.success() {
        println!("the rush did not pass: see {}", results.display());
    }
    Ok(report.buying)
}
