//! The audit after a run: compares everything that was acknowledged to shoppers with what the service shows.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::acknowledgements::Acknowledgement;
use crate::api::{Items, Sale};
use crate::context::RunContext;
use crate::monitor::ObservedSales;
use crate::purchase::{PurchaseOutcome, PurchaseRequest};

/// Concurrent requests.
const CONCURRENCY: usize = 64;
/// Attempts to resolve one purchase in a round.
const ATTEMPTS: usize = 10;
/// Rounds over the purchases that are still unresolved.
const ROUNDS: usize = 3;
/// Time for the requests of shoppers who hung up to reach the service.
const DRAIN_WAIT: Duration = Duration::from_secs(1);
/// Time for an instance to catch up with the ledger.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(10);
const ITEMS_PER_PAGE: u32 = 500;

/// One sale: the acknowledged purchases compared with what the service shows.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SaleAudit {
    pub id: String,
    pub total_units: u64,
    pub sold_before: u64,
    pub sold_after: u64,
    #[serde(rename = "told")]
    pub units_acknowledged: u64,
    /// Items with more acknowledged units than stock.
    pub oversold: u64,
    /// Items that were refused as sold and are still available.
    #[serde(rename = "refused_and_there")]
    pub refused_but_available: u64,
    pub owners_over_limit: u64,
    pub most_owned: u64,
    pub limit: u32,
}

/// The result of the audit.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Audit {
    pub sales: Vec<SaleAudit>,
    /// Purchase requests with an unknown outcome at the end of the run.
    #[serde(rename = "doubtful")]
    pub unresolved: u64,
    /// Purchase requests with an outcome that is still unknown after the audit.
    pub unknown: u64,
    pub acknowledged: u64,
    /// Acknowledged purchases that the service does not know.
    pub missing: u64,
    /// Acknowledged purchases with another receipt than before.
    pub different: u64,
    /// Errors of the audit itself.
    pub failures: Vec<String>,
}

/// Audits all purchases and sales of a run.
pub async fn audit(context: &Rc<RunContext>, sales: &ObservedSales) -> Audit {
    sleep(DRAIN_WAIT).await;
    let mut audit = Audit::default();
    resolve_outcomes(context, &mut audit).await;
    check_acknowledged(context, &mut audit).await;
    let units_by_sale = context.acknowledgements.borrow().units_by_sale();
    let ids: BTreeSet<String> = units_by_sale.keys().cloned().chain(sales.ids()).collect();
    for id in ids {
        let units_acknowledged = units_by_sale.get(&id).copied().unwrap_or(0);
        match audit_sale(context, sales, id, units_acknowledged).await {
            Ok(sale) => audit.sales.push(sale),
            Err(error) => audit.failures.push(error),
        }
    }
    audit
}

/// Repeats the requests with an unknown outcome until it is known. This may buy the rest of a cart.
async fn resolve_outcomes(context: &Rc<RunContext>, audit: &mut Audit) {
    let take = || std::mem::take(&mut *context.unresolved.borrow_mut());
    let mut unresolved = take();
    audit.unresolved = unresolved.len() as u64;
    for _ in 0..ROUNDS {
        for_each_concurrently(unresolved, context, async |context, purchase| resolve(&context, &purchase).await).await;
        unresolved = take();
    }
    audit.unknown = unresolved.len() as u64;
}

async fn resolve(context: &RunContext, purchase: &PurchaseRequest) {
    let body = match purchase.complete(context, Instant::now(), ATTEMPTS).await {
        PurchaseOutcome::Receipt(body) => body,
        PurchaseOutcome::Refused(..) | PurchaseOutcome::Unknown => return,
    };
    let acknowledgement = context.acknowledgements.borrow_mut().record(&body);
    match acknowledgement {
        Acknowledgement::First(units) => context.recorder.update(|totals| {
            totals.acknowledged += 1;
            totals.units_acknowledged += units;
        }),
        Acknowledgement::Repeated => {}
        Acknowledgement::Contradictory | Acknowledgement::Invalid => {
            context.recorder.record_bad_receipt(&acknowledgement, &body);
        }
    }
}

/// Checks that the service shows every acknowledged purchase with the same receipt.
async fn check_acknowledged(context: &Rc<RunContext>, audit: &mut Audit) {
    let codes = context.acknowledgements.borrow().codes();
    audit.acknowledged = codes.len() as u64;
    let found = Rc::new(RefCell::new(std::mem::take(audit)));
    for_each_concurrently(codes, &(context.clone(), found.clone()), async |(context, found), code| {
        let shown = context.client.get_bytes(&format!("/purchase/{code}")).await;
        let found = &mut *found.borrow_mut();
        match shown {
            Ok(Some(body)) => {
                found.different += u64::from(!context.acknowledgements.borrow().is_receipt_of(&code, &body));
            }
            Ok(None) => found.missing += 1,
            Err(error) => found.failures.push(error),
        }
    })
    .await;
    *audit = found.take();
}

/// Runs `act` for every element, [`CONCURRENCY`] at a time.
async fn for_each_concurrently<T: 'static, C: Clone + 'static>(
    elements: Vec<T>,
    context: &C,
    act: impl AsyncFn(C, T) + Copy + 'static,
) {
    let elements = Rc::new(RefCell::new(elements));
    let mut workers = JoinSet::new();
    for _ in 0..CONCURRENCY {
        let (elements, context) = (elements.clone(), context.clone());
        workers.spawn_local(async move {
            while let Some(element) = { elements.borrow_mut().pop() } {
                act(context.clone(), element).await;
            }
        });
    }
    workers.join_all().await;
}

async fn audit_sale(
    context: &RunContext,
    sales: &ObservedSales,
    id: String,
    units_acknowledged: u64,
) -> Result<SaleAudit, String> {
    let deadline = Instant::now() + CATCH_UP_TIMEOUT;
    let sold_before = sales.sold_before(&id);
    let sale = loop {
        let sale: Sale = context.client.get_json(&format!("/sales/{id}")).await?;
        if sale.units_sold >= sold_before + units_acknowledged || Instant::now() > deadline {
            break sale;
        }
        sleep(Duration::from_millis(100)).await;
    };
    let (oversold, refused_but_available) = audit_items(context, &id).await?;
    let (most_owned, owners_over_limit) = context.acknowledgements.borrow().ownership(&id, sale.per_user_limit);
    Ok(SaleAudit {
        id,
        total_units: sale.units_sold + sale.units_remaining,
        sold_before,
        sold_after: sale.units_sold,
        units_acknowledged,
        oversold,
        refused_but_available,
        owners_over_limit,
        most_owned,
        limit: sale.per_user_limit,
    })
}

/// Counts the items with more acknowledged units than stock, and the available items that were refused as sold.
async fn audit_items(context: &RunContext, sale: &str) -> Result<(u64, u64), String> {
    let (mut oversold, mut refused_but_available) = (0, 0);
    let mut owned = context.acknowledgements.borrow().units_by_item(sale);
    for page in 1.. {
        let path = format!("/sales/{sale}/items?per_page={ITEMS_PER_PAGE}&page={page}");
        let shown: Items = context.client.get_json(&path).await?;
        let acknowledgements = context.acknowledgements.borrow();
        for item in &shown.items {
            oversold += u64::from(owned.remove(&item.id).is_some_and(|units| units > item.stock));
            refused_but_available += u64::from(item.remaining > 0 && acknowledgements.was_refused(&item.id));
        }
        if page * ITEMS_PER_PAGE >= shown.total {
            break;
        }
    }
    match owned.keys().next() {
        None => Ok((oversold, refused_but_available)),
        Some(item) => Err(format!("sale {sale} does not list {} items that were sold, such as {item}", owned.len())),
    }
}
