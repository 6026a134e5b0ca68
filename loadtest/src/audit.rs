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
use crate::order_audit::{OrderAudit, audit_orders};
use crate::private_service::ProviderAccess;
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
    /// Acknowledged units, without those that orders gave back.
    #[serde(rename = "told")]
    pub units_owned: u64,
    /// Acknowledged units that orders gave back.
    pub units_returned: u64,
    /// The stock of all items, and what is left of it according to their pages.
    pub stock: u64,
    pub units_free: u64,
    /// Items with more owned units than stock.
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
    /// The orders, if purchases had to be paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orders: Option<OrderAudit>,
    /// Errors of the audit itself.
    pub failures: Vec<String>,
}

/// Audits all purchases, orders and sales of a run.
pub async fn audit(context: &Rc<RunContext>, sales: &ObservedSales, provider: Option<&ProviderAccess>) -> Audit {
    sleep(DRAIN_WAIT).await;
    let mut audit = Audit::default();
    resolve_outcomes(context, &mut audit).await;
    audit.orders = audit_orders(context, provider, &mut audit.failures).await;
    check_acknowledged(context, &mut audit).await;
    let units_by_sale = context.acknowledgements.borrow().units_by_sale();
    let ids: BTreeSet<String> = units_by_sale.keys().cloned().chain(sales.ids()).collect();
    for id in ids {
        let units = units_by_sale.get(&id).copied().unwrap_or_default();
        match audit_sale(context, sales, id, units).await {
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
pub async fn for_each_concurrently<T: 'static, C: Clone + 'static>(
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
    (units_owned, units_returned): (u64, u64),
) -> Result<SaleAudit, String> {
    let deadline = Instant::now() + CATCH_UP_TIMEOUT;
    let sold_before = sales.sold_before(&id);
    let expected = sold_before + units_owned;
    let sale = loop {
        let sale: Sale = context.client.get_json(&format!("/sales/{id}")).await?;
        let has_caught_up = sale.units_sold >= expected && (units_returned == 0 || sale.units_sold == expected);
        if has_caught_up || Instant::now() > deadline {
            break sale;
        }
        sleep(Duration::from_millis(100)).await;
    };
    let items = audit_items(context, &id).await?;
    let (most_owned, owners_over_limit) = context.acknowledgements.borrow().ownership(&id, sale.per_user_limit);
    Ok(SaleAudit {
        id,
        total_units: sale.units_sold + sale.units_remaining,
        sold_before,
        sold_after: sale.units_sold,
        units_owned,
        units_returned,
        stock: items.stock,
        units_free: items.free,
        oversold: items.oversold,
        refused_but_available: items.refused_but_available,
        owners_over_limit,
        most_owned,
        limit: sale.per_user_limit,
    })
}

/// The items of a sale.
#[derive(Debug, Default)]
struct ItemAudit {
    stock: u64,
    free: u64,
    /// Items with more owned units than stock.
    oversold: u64,
    refused_but_available: u64,
}

async fn audit_items(context: &RunContext, sale: &str) -> Result<ItemAudit, String> {
    let mut audit = ItemAudit::default();
    let mut owned = context.acknowledgements.borrow().units_by_item(sale);
    for page in 1.. {
        let path = format!("/sales/{sale}/items?per_page={ITEMS_PER_PAGE}&page={page}");
        let shown: Items = context.client.get_json(&path).await?;
        let acknowledgements = context.acknowledgements.borrow();
        for item in &shown.items {
            audit.stock += u64::from(item.stock);
            audit.free += u64::from(item.remaining);
            audit.oversold += u64::from(owned.remove(&item.id).is_some_and(|units| units > item.stock));
            audit.refused_but_available += u64::from(item.remaining > 0 && acknowledgements.was_refused(&item.id));
        }
        if page * ITEMS_PER_PAGE >= shown.total {
            break;
        }
    }
    match owned.keys().next() {
        None => Ok(audit),
        Some(item) => Err(format!("sale {sale} does not list {} items that were sold, such as {item}", owned.len())),
    }
}
