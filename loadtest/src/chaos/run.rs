//! One run.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use chrono::Utc;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep};

use super::Error;
use super::clock;
use super::crowd::{Crowd, LONG_SALE_ITEMS, WANTED_ITEMS};
use super::faults::{Scene, Struck, strike};
use super::fleet::ADMIN_TOKEN;
use super::kind::Kind;
use super::plan::Plan;
use super::recovery::{pays_again, sells_again};
use super::report::{FaultReport, Report};
use super::verdict;
use super::world::World;
use crate::api::Sale;
use crate::client::{Client, Request};
use crate::machine::Machine;
use crate::outcome::{Operation, Outcome};
use crate::report::make_directory;

const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Time for an audit to find a difference and for its repair.
const REPAIR_TIMEOUT: Duration = Duration::from_secs(60);
/// Length of the long sale.
const LONG_SALE: chrono::TimeDelta = chrono::TimeDelta::hours(12);
/// Time in which a purchase of the sale with orders must be paid, in seconds.
const PAYMENT_WINDOW_S: u32 = 10;
/// Units of the item that only the supervisor buys.
const PROBES: u32 = 100_000;

/// Runs the schedule, and writes the results.
pub async fn run(plan: Plan, program: &Path, results: &Path) -> Result<Report, Error> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let started_at = Utc::now();
    let directory = make_directory(results, started_at, "chaos")?;
    println!(
        "SEED={}: {} instances, {} shoppers, logs in {}",
        plan.seed,
        plan.instances,
        plan.shoppers,
        directory.display()
    );
    let mut world = World::start(program, &directory, &plan).await?;
    let running = async {
        let crowd = open(&mut world).await?;
        let began = Instant::now();
        let mut shoppers = crowd.enter(plan.shoppers, plan.seed);
        let faults = break_things(&plan, &mut world, &crowd, began).await?;
        crowd.leave();
        while shoppers.join_next().await.is_some() {
            world.revive()?;
        }
        println!("checking {} acknowledged purchases", crowd.history.borrow().acknowledged());
        let verdict = verdict::reach(&world, &crowd).await?;
        let struck: Vec<Kind> = faults.iter().map(|fault| fault.kind).collect();
        let history = &mut *crowd.history.borrow_mut();
        Ok(Report {
            started_at,
            seconds: began.elapsed().as_secs_f64(),
            seed: plan.seed,
            instances: plan.instances,
            shoppers: plan.shoppers,
            machine: Machine::detect(),
            missing: plan.missing(&struck),
            faults,
            verdict,
            unplanned_ends: world.unplanned_ends,
            refusals: std::mem::take(&mut history.refusals),
            notes: std::mem::take(&mut history.notes),
        })
    };
    let report = tokio::select! {
        report = running => report,
        _ = interrupt.recv() => Err(Error::Interrupted),
        _ = terminate.recv() => Err(Error::Interrupted),
    };
    world.stop().await;
    let report = report?;
    report.write(&directory)?;
    report.notes.iter().for_each(|note| println!("  {note}"));
    println!("  refusals: {:?}; instances that ended by themselves: {}", report.refusals, report.unplanned_ends);
    if !report.missing.is_empty() {
        let missing: Vec<String> = report.missing.iter().map(Kind::to_string).collect();
        println!("  kinds for which there was no time: {}; raise DURATION", missing.join(", "));
    }
    Ok(report)
}

/// Waits until all instances serve, and opens the sale that outlasts the run.
async fn open(world: &mut World) -> Result<Rc<Crowd>, Error> {
    let clients: Vec<_> = world.instances.iter().map(|instance| instance.client.clone()).collect();
    let deadline = Instant::now() + START_TIMEOUT;
    let late =
        |what: &str| Error::TimedOut { what: what.to_owned(), patience: START_TIMEOUT, logs: world.logs.clone() };
    for client in &clients {
        while client.get_json::<Sale>("/sales/active").await.is_err() {
            if Instant::now() > deadline {
                return Err(late("every instance shows a sale"));
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
    world.long_sale = create_sale(&clients[0], long_sale(), deadline).await?;
    world.order_sale = create_sale(&clients[0], order_sale(), deadline).await?;
    let crowd = Crowd::new(clients, world.long_sale.clone(), world.order_sale.clone());
    sells_again(world, &crowd, Instant::now(), &[]).await?;
    Ok(crowd)
}

/// Returns the id of a new sale.
async fn create_sale(client: &Client, sale: Value, deadline: Instant) -> Result<String, Error> {
    let request = Request::post("/admin/sales").json(sale.to_string()).bearer(ADMIN_TOKEN);
    loop {
        let response = client.send(Operation::Look, &request, Instant::now()).await;
        match serde_json::from_slice::<Value>(&response.body) {
            Ok(sale) if sale["id"].is_string() => return Ok(sale["id"].as_str().unwrap_or_default().to_owned()),
            _ if response.outcome == Outcome::TurnedAway && Instant::now() < deadline => {
                sleep(response.retry_after()).await;
            }
            _ => return Err(Error::Failed(format!("POST /admin/sales: {}", String::from_utf8_lossy(&response.body)))),
        }
    }
}

/// Returns a sale of items with several units, the first of which is kept for the probes.
fn long_sale() -> Value {
    let item = |number: u32| {
        let stock = if number == 1 { PROBES } else { 20 + number % 30 };
        json!({ "name": format!("Item {number}"), "image_url": "/i.jpg", "price": "1", "stock": stock })
    };
    let items: Vec<_> = (1..=LONG_SALE_ITEMS).map(item).collect();
    json!({ "items": items, "ended_at": (Utc::now() + LONG_SALE).to_rfc3339() })
}

/// Returns a sale whose purchases must be paid. The items that everybody wants are few, so that returned units are sold
/// again.
fn order_sale() -> Value {
    let item = |number: u32| {
        let stock = if number <= WANTED_ITEMS { 3 } else { 1_000 };
        json!({ "name": format!("Item {number}"), "image_url": "/i.jpg", "price": "1", "stock": stock })
    };
    let items: Vec<_> = (1..=LONG_SALE_ITEMS).map(item).collect();
    let ended_at = (Utc::now() + LONG_SALE).to_rfc3339();
    json!({ "items": items, "ended_at": ended_at, "payment_window_seconds": PAYMENT_WINDOW_S })
}

/// Strikes and waits for the recovery, again and again. Ends early if the service does not recover.
async fn break_things(
    plan: &Plan,
    world: &mut World,
    crowd: &Rc<Crowd>,
    began: Instant,
) -> Result<Vec<FaultReport>, Error> {
    let mut reports = Vec::new();
    for (number, kind) in plan.schedule().enumerate() {
        if began.elapsed() > plan.duration {
            break;
        }
        crowd.history.borrow_mut().carts_kept_since.get_or_insert_with(Instant::now);
        let mut scene = Scene { world, crowd, plan, rng: plan.rng(number) };
        // The crowd buys a little between two faults.
        scene.pause(500..1_500).await;
        let at_s = began.elapsed().as_secs_f64();
        if kind.forgets_carts() {
            crowd.history.borrow_mut().carts_kept_since = None;
        }
        clock::remove_leftovers();
        let recovered = match strike(kind, &mut scene).await {
            Ok(struck) => recover(struck, world, crowd).await,
            Err(error) => Err(error),
        };
        let (what, recovery_s) = match recovered {
            Ok((proof, recovery)) => (proof, Some(recovery.as_secs_f64())),
            Err(error) => {
                world.heal().await?;
                (error.to_string(), None)
            }
        };
        let recovery = recovery_s.map_or("FAILED".to_owned(), |seconds| format!("{seconds:6.2} s"));
        println!("{at_s:7.1} s  {:3}  {kind:22} {recovery:>10}  {what}", number + 1);
        let is_stuck = recovery_s.is_none() && sells_again(world, crowd, Instant::now(), &[]).await.is_err();
        reports.push(FaultReport { kind, at_s, what, recovery_s });
        if is_stuck {
            println!("selling does not work again: the run ends here");
            break;
        }
    }
    Ok(reports)
}

async fn recover(struck: Struck, world: &mut World, crowd: &Rc<Crowd>) -> Result<(String, Duration), Error> {
    let mut recovery = sells_again(world, crowd, struck.since, &[]).await?;
    if struck.is_of_payments {
        recovery = pays_again(world, crowd, struck.since).await?;
    }
    if struck.is_drift {
        while !is_sound(world).await {
            if struck.since.elapsed() > REPAIR_TIMEOUT {
                let what = format!("what {} changed is repaired", struck.proof);
                return Err(Error::TimedOut { what, patience: REPAIR_TIMEOUT, logs: world.logs.clone() });
            }
            sleep(Duration::from_millis(200)).await;
        }
        recovery = struck.since.elapsed();
    }
    Ok((struck.proof, recovery))
}

async fn is_sound(world: &World) -> bool {
    world.verify().await.is_ok_and(|found| found.lost + found.oversold + found.over_limit + found.drift == 0)
}
