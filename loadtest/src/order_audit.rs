//! The audit of orders: how each of them ended, and what was charged for those that are paid.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use chrono::Utc;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::api::{Order, OrderStatus, ProviderReport};
use crate::audit::for_each_concurrently;
use crate::client::{Client, Request};
use crate::context::RunContext;
use crate::order::note_end;
use crate::private_service::ProviderAccess;

/// Time for the orders to end after the last one had to be paid. A payment whose answer was lost takes longest: the service
/// asks the provider after half a minute.
const END_TIMEOUT: Duration = Duration::from_secs(90);
/// Time for the provider to give back money that came too late.
const REFUND_TIMEOUT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_secs(1);

/// The orders of a run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct OrderAudit {
    pub paid: u64,
    pub cancelled: u64,
    pub expired: u64,
    /// Orders that did not end in time, or cannot be read.
    pub open: u64,
    /// The totals of the paid orders, in minor units.
    pub paid_minor: u64,
    /// The report of the provider, if it is known.
    pub provider: Option<ProviderReport>,
}

/// Waits until all orders of a run have ended, and sums them up. Returns `None` if nothing had to be paid.
pub async fn audit_orders(
    context: &Rc<RunContext>,
    provider: Option<&ProviderAccess>,
    failures: &mut Vec<String>,
) -> Option<OrderAudit> {
    let (codes, last) = context.acknowledgements.borrow().orders();
    let wait = (last? - Utc::now()).to_std().unwrap_or_default();
    println!("waiting {:.0} s for the orders that nobody paid", wait.as_secs_f64());
    sleep(wait).await;
    let deadline = Instant::now() + END_TIMEOUT;
    let found = Rc::new(RefCell::new(Found { open: codes, ..Found::default() }));
    loop {
        let open = std::mem::take(&mut found.borrow_mut().open);
        found.borrow_mut().failures.clear();
        for_each_concurrently(open, &(context.clone(), found.clone()), async |(context, found), code| {
            read_order(&context, &found, code).await;
        })
        .await;
        if found.borrow().open.is_empty() || Instant::now() > deadline {
            break;
        }
        sleep(POLL).await;
    }
    let Found { mut orders, open, failures: unread } = found.take();
    orders.open = open.len() as u64;
    failures.extend(unread);
    if let Some(provider) = provider {
        match report(context, provider, orders.paid_minor).await {
            Ok(report) => orders.provider = Some(report),
            Err(error) => failures.push(error),
        }
    }
    Some(orders)
}

#[derive(Debug, Default)]
struct Found {
    orders: OrderAudit,
    open: Vec<String>,
    failures: Vec<String>,
}

async fn read_order(context: &RunContext, found: &RefCell<Found>, code: String) {
    let read: Result<Order, String> = context.client.get_json(&format!("/orders/{code}")).await;
    let read = read.and_then(|order| Ok((order.status, order.total_minor()?)));
    let found = &mut *found.borrow_mut();
    let (status, total) = match read {
        Ok((status, total)) if status.is_final() => (status, total),
        Ok(_) => return found.open.push(code),
        Err(error) => {
            found.failures.push(error);
            return found.open.push(code);
        }
    };
    note_end(context, &code, status);
    match status {
        OrderStatus::Paid => {
            found.orders.paid += 1;
            found.orders.paid_minor += total;
        }
        OrderStatus::Cancelled => found.orders.cancelled += 1,
        _ => found.orders.expired += 1,
    }
}

/// Reads the report of the provider, and waits a while for its charges to match.
async fn report(context: &RunContext, provider: &ProviderAccess, paid_minor: u64) -> Result<ProviderReport, String> {
    let client = Client::new(provider.url.clone(), context.recorder.clone());
    let request = Request::get("/report").bearer(&provider.key);
    let deadline = Instant::now() + REFUND_TIMEOUT;
    loop {
        let report: ProviderReport = client.read_json(&request).await?;
        if u64::try_from(report.net()) == Ok(paid_minor) || Instant::now() > deadline {
            return Ok(report);
        }
        sleep(POLL).await;
    }
}
