//! When all have left: asking the service about everything that shoppers were told.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::api::{Items, Sale};
use crate::buying::{Bought, Order};
use crate::told::Acknowledged;
use crate::watch::Sales;
use crate::world::World;

/// Questions at once.
const PARALLEL: usize = 64;
/// How often a doubtful purchase is asked for, and how often all those that still are.
const ATTEMPTS: usize = 10;
const ROUNDS: usize = 3;
/// Whatever shoppers sent before they hung up has arrived by then.
const ARRIVAL: Duration = Duration::from_secs(1);
/// How long an instance may take to follow the ledger.
const SETTLE: Duration = Duration::from_secs(10);
const ITEMS_A_PAGE: u32 = 500;

/// One sale, as shoppers were told and as the service says.
#[derive(Debug, Clone, Serialize)]
pub struct SaleAudit {
    pub id: String,
    pub total_units: u64,
    pub sold_before: u64,
    pub sold_after: u64,
    pub told: u64,
    /// Items of which shoppers were told to own more than there are.
    pub oversold: u64,
    /// Items that are there and that somebody was told are sold.
    pub refused_and_there: u64,
    pub owners_over_limit: u64,
    pub most_owned: u64,
    pub limit: u32,
}

/// What was found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Audit {
    pub sales: Vec<SaleAudit>,
    /// Purchases of which an answer stayed away during the run.
    pub doubtful: u64,
    /// Those of them of which it is still not known what happened.
    pub unknown: u64,
    pub acknowledged: u64,
    /// Acknowledged purchases that the service does not know.
    pub missing: u64,
    /// Acknowledged purchases of which it shows another receipt.
    pub different: u64,
    /// What could not be asked.
    pub failures: Vec<String>,
}

/// Asks about everything.
pub async fn audit(world: &Rc<World>, sales: &Sales) -> Audit {
    sleep(ARRIVAL).await;
    let mut audit = Audit::default();
    resolve(world, &mut audit).await;
    look_up(world, &mut audit).await;
    let told = world.told.borrow().units_by_sale();
    let ids: BTreeSet<String> = told.keys().cloned().chain(sales.ids()).collect();
    for id in ids {
        let told = told.get(&id).copied().unwrap_or(0);
        match sale(world, sales, id, told).await {
            Ok(sale) => audit.sales.push(sale),
            Err(error) => audit.failures.push(error),
        }
    }
    audit
}

/// Asks for doubtful purchases until it is known what became of them. This may buy the rest of a cart.
async fn resolve(world: &Rc<World>, audit: &mut Audit) {
    let take = || std::mem::take(&mut *world.doubtful.borrow_mut());
    let mut doubtful = take();
    audit.doubtful = doubtful.len() as u64;
    for _ in 0..ROUNDS {
        in_parallel(doubtful, world, async |world, order| resolve_one(&world, &order).await).await;
        doubtful = take();
    }
    audit.unknown = doubtful.len() as u64;
}

async fn resolve_one(world: &World, order: &Order) {
    let body = match order.buy(world, Instant::now(), ATTEMPTS).await {
        Bought::Receipt(body) => body,
        Bought::Refused(..) => return,
        Bought::Unknown => return world.doubt(order),
    };
    let told = world.told.borrow_mut().acknowledge(&body);
    match told {
        Acknowledged::First(units) => world.recorder.count(|totals| {
            totals.acknowledged += 1;
            totals.units_told += units;
        }),
        Acknowledged::Again => {}
        wrong => world.recorder.unexpected(format!("{wrong:?}: {}", String::from_utf8_lossy(&body))),
    }
}

/// Looks for every acknowledged purchase.
async fn look_up(world: &Rc<World>, audit: &mut Audit) {
    let codes = world.told.borrow().codes();
    audit.acknowledged = codes.len() as u64;
    let found = Rc::new(RefCell::new(std::mem::take(audit)));
    in_parallel(codes, &(world.clone(), found.clone()), async |(world, found), code| {
        let read = world.client.read_bytes(&format!("/purchase/{code}")).await;
        let found = &mut *found.borrow_mut();
        match read {
            Ok(Some(body)) => found.different += u64::from(!world.told.borrow().is_receipt_of(&code, &body)),
            Ok(None) => found.missing += 1,
            Err(error) => found.failures.push(error),
        }
    })
    .await;
    *audit = found.take();
}

/// Does this with each of them, a few at once.
async fn in_parallel<T: 'static, C: Clone + 'static>(all: Vec<T>, with: &C, act: impl AsyncFn(C, T) + Copy + 'static) {
    let all = Rc::new(RefCell::new(all));
    let mut workers = JoinSet::new();
    for _ in 0..PARALLEL {
        let (all, with) = (all.clone(), with.clone());
        workers.spawn_local(async move {
            while let Some(one) = { all.borrow_mut().pop() } {
                act(with.clone(), one).await;
            }
        });
    }
    workers.join_all().await;
}

async fn sale(world: &World, sales: &Sales, id: String, told: u64) -> Result<SaleAudit, String> {
    let deadline = Instant::now() + SETTLE;
    let sold_before = sales.sold_before(&id);
    let sale = loop {
        let sale: Sale = world.client.read(&format!("/sales/{id}")).await?;
        if sale.units_sold >= sold_before + told || Instant::now() > deadline {
            break sale;
        }
        sleep(Duration::from_millis(100)).await;
    };
    let (oversold, refused_and_there) = items(world, &id).await?;
    let (most_owned, owners_over_limit) = world.told.borrow().owners(&id, sale.per_user_limit);
    Ok(SaleAudit {
        id,
        total_units: sale.units_sold + sale.units_remaining,
        sold_before,
        sold_after: sale.units_sold,
        told,
        oversold,
        refused_and_there,
        owners_over_limit,
        most_owned,
        limit: sale.per_user_limit,
    })
}

/// How many items shoppers own more of than there are, and how many are there that were refused as sold.
async fn items(world: &World, sale: &str) -> Result<(u64, u64), String> {
    let (mut oversold, mut refused_and_there) = (0, 0);
    let owned = world.told.borrow().units_by_item();
    for page in 1.. {
        let path = format!("/sales/{sale}/items?per_page={ITEMS_A_PAGE}&page={page}");
        let shown: Items = world.client.read(&path).await?;
        let told = world.told.borrow();
        for item in &shown.items {
            oversold += u64::from(owned.get(&item.id).is_some_and(|units| *units > item.stock));
            refused_and_there += u64::from(item.remaining > 0 && told.was_refused(&item.id));
        }
        if page * ITEMS_A_PAGE >= shown.total {
            break;
        }
    }
    Ok((oversold, refused_and_there))
}
