//! Orders that all expire in the same moment while others go on buying in the same sale: the time until all units are on
//! sale again, and what the others notice of it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use sqlx::{Connection as _, PgConnection};
use tokio::time::sleep;

use super::Error;
use super::connection::Connection;
use super::open_loop::{Kind, Tally, offer};
use super::plan::Plan;
use super::requests;
use super::results::Figure;
use super::row::Row;
use super::shop::{START_TIMEOUT, Shop};
use super::shopping::buy_now;
use crate::latency::Latencies;

/// Connections of the others.
const CONNECTIONS: usize = 32;
/// Time for the statement that sets the deadlines.
const SETTING: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(10);
/// The longest time, and the largest slowdown, that are wanted.
const GOAL_S: u64 = 5;
const GOAL_SLOWDOWN_PERCENT: u64 = 20;

pub async fn measure(shop: &mut Shop<'_>, plan: &Plan) -> Result<Vec<Figure>, Error> {
    let length = plan.before_expiry + plan.after_expiry;
    let beside = (plan.beside_per_second * length.as_secs_f64()) as u64 + 1;
    // No other order may expire.
    shop.leave_sales();
    let all = shop.items(plan.expiring + beside).await?;
    let (expiring, others) = all.split(plan.expiring).ok_or(Error::NotRunning)?;
    let sale = expiring.sale().to_owned();
    shop.buy(expiring.clone()).await?;
    let deadline = Instant::now() + SETTING + plan.before_expiry;
    expire_after(shop, &sale, SETTING + plan.before_expiry).await?;
    sleep(deadline.saturating_duration_since(Instant::now() + plan.before_expiry)).await;

    let tally = Rc::new(RefCell::new(Tally::new()));
    let users = shop.users(others.count);
    let write = Rc::new(move |number: u64, request: &mut Vec<u8>| {
        buy_now(request, users + number, others.id(number));
        Kind::Purchase
    });
    let offering = offer(shop.addresses[0], CONNECTIONS, plan.beside_per_second, length, write, tally.clone());
    let (offered, observed) = tokio::join!(offering, observe(shop, &sale, deadline, &tally));
    offered?;
    let Observed { before, meanwhile, back } = observed?;

    if let Some(sample) = tally.borrow().unexpected.clone() {
        return Err(Error::Unexpected(sample));
    }
    shop.sold.set(shop.sold.get() + bought(&tally) - expiring.count);
    // All of them are really for sale.
    shop.buy(expiring).await?;
    Ok(figures(plan, &before, &meanwhile, back))
}

/// Purchases of the others in some time.
struct Period {
    latencies: Latencies,
    seconds: f64,
}

struct Observed {
    before: Period,
    meanwhile: Period,
    /// The time from the deadline of the orders until their units were on sale again.
    back: Duration,
}

/// Waits for the deadline of the orders, and until their units are on sale again.
async fn observe(shop: &Shop<'_>, sale: &str, deadline: Instant, tally: &RefCell<Tally>) -> Result<Observed, Error> {
    let started = Instant::now();
    sleep(deadline.saturating_duration_since(Instant::now())).await;
    let before = period(tally, started);
    wait_until_back(shop, sale, deadline, tally).await?;
    Ok(Observed { before, meanwhile: period(tally, deadline), back: deadline.elapsed() })
}

/// Returns the purchases since this time, and begins the next period.
fn period(tally: &RefCell<Tally>, started: Instant) -> Period {
    let latencies = std::mem::replace(&mut tally.borrow_mut().admitted, Latencies::new());
    Period { latencies, seconds: started.elapsed().as_secs_f64() }
}

fn bought(tally: &RefCell<Tally>) -> u64 {
    tally.borrow().steps.iter().map(|step| step.acknowledged).sum()
}

/// Sets the deadline of all orders of the sale. One moment for all is what purchases made one after another cannot have.
async fn expire_after(shop: &Shop<'_>, sale: &str, time: Duration) -> Result<(), Error> {
    let mut connection = PgConnection::connect(&shop.postgres_url).await?;
    let statement = "UPDATE orders SET deadline = now() + make_interval(secs => $2)
                     WHERE sale = (SELECT key FROM sales WHERE id = $1)";
    sqlx::query(statement).bind(sale).bind(time.as_secs_f64()).execute(&mut connection).await?;
    Ok(connection.close().await?)
}

/// Waits until the service shows no other units as sold than those that others bought since.
async fn wait_until_back(shop: &Shop<'_>, sale: &str, deadline: Instant, tally: &RefCell<Tally>) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Shown {
        units_sold: u64,
    }
    let request = requests::get(&format!("/sales/{sale}"));
    let mut connection = Connection::open(shop.addresses[0]).await?;
    loop {
        let response = connection.exchange(&request).await?;
        let shown: Option<Shown> = serde_json::from_slice(response.body).ok().filter(|_| response.status == 200);
        // Each of the others may wait for an answer.
        if shown.is_some_and(|shown| shown.units_sold <= bought(tally) + CONNECTIONS as u64) {
            return Ok(());
        }
        shop.wait_until(deadline + START_TIMEOUT, "all units are on sale again").await?;
        sleep(POLL).await;
    }
}

fn figures(plan: &Plan, before: &Period, meanwhile: &Period, back: Duration) -> Vec<Figure> {
    let figure = |what: String, value, unit| Figure::new(Row::Expiry, what, value, unit);
    let rate = |period: &Period| period.latencies.count() as f64 / period.seconds;
    let p50 = |period: &Period| period.latencies.quantile_ms(0.5);
    let what = format!("{} orders, until all units are on sale again (goal: {GOAL_S})", plan.expiring);
    let mut figures = vec![figure(what, back.as_secs_f64(), "s")];
    for (when, period) in [("before", before), ("meanwhile", meanwhile)] {
        figures.push(figure(format!("purchases of others {when}"), rate(period), "/s"));
        figures.push(figure(format!("p50 of others {when}"), p50(period), "ms"));
        figures.push(figure(format!("p99 of others {when}"), period.latencies.quantile_ms(0.99), "ms"));
    }
    let goal = format!("(goal: at most {GOAL_SLOWDOWN_PERCENT})");
    let fewer = 100.0 * (1.0 - rate(meanwhile) / rate(before));
    figures.push(figure(format!("fewer purchases of others meanwhile {goal}"), fewer, "%"));
    let slower = 100.0 * (p50(meanwhile) / p50(before) - 1.0);
    figures.push(figure(format!("longer p50 of others meanwhile {goal}"), slower, "%"));
    figures
}
