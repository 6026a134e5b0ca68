//! The page of a receipt and its order, also after a payment that was refused.

use askama::Template;
use chrono::{DateTime, Utc};
use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use crate::application::sale::purchase::PurchaseOutcome;
use crate::domain::ordering::{OrderReason, OrderStatus};
use crate::domain::payment::AttemptState;
use crate::domain::sale::Receipt;
use crate::domain::shared::limits::PAYMENT_ATTEMPTS;
use crate::domain::shared::{CheckoutCode, Claim};
use crate::infrastructure::http::platform::{Answer, Context, Problem, ProblemCode};
use crate::infrastructure::http::web::{html, number};

use super::cart_page::Notice;
use super::layout::Layout;

/// Reloads a page that waits for something. Scripts are not needed for it.
const REFRESH: HeaderName = HeaderName::from_static("refresh");

/// The page.
#[derive(Template)]
#[template(path = "storefront/receipt.html")]
struct ReceiptPage {
    layout: Layout,
    notice: Option<Notice>,
    receipt: ReceiptView,
}

/// The page of a purchase that is not known to be durable.
#[derive(Template)]
#[template(path = "storefront/confirming.html")]
struct ConfirmingPage {
    layout: Layout,
}

struct ReceiptView {
    code: CheckoutCode,
    order_id: String,
    when: String,
    lines: Vec<LineView>,
    total: String,
    missed: u32,
    order: Option<OrderView>,
}

struct LineView {
    name: String,
    quantity: u32,
    price: String,
    is_sold: bool,
}

struct OrderView {
    status: OrderStatus,
    reason: Option<OrderReason>,
    pay_by: String,
    pay_by_ms: i64,
    now_ms: i64,
    left: String,
    attempts_left: u32,
    is_refunding: bool,
}

/// Answers with the page of the purchase that was made with this code.
pub async fn show(
    context: &Context,
    headers: &HeaderMap,
    claim: Claim,
    notice: Option<Notice>,
) -> Result<Answer, Problem> {
    let receipt = match context.shop.receipt(claim.clone()).await? {
        Some(PurchaseOutcome::Durable { receipt, .. }) => receipt,
        Some(PurchaseOutcome::Confirming(_)) => return confirming(headers),
        None => return Err(Problem::new(ProblemCode::CheckoutNotFound, "Nothing was bought with this code.")),
    };
    let now = context.shop.clock.now();
    let order = match receipt.pay_by {
        Some(pay_by) => order(context, claim, pay_by, now).await?,
        None => None,
    };
    let waits = order.as_ref().is_some_and(|order| order.status == OrderStatus::PaymentPending);
    let status = notice.as_ref().map_or(StatusCode::OK, |notice| notice.status);
    let page = ReceiptPage { layout: Layout::titled("Receipt"), notice, receipt: view(receipt, order, now) };
    let answer = html::answer(headers, status, &page)?;
    Ok(if waits { reloaded(answer) } else { answer })
}

fn confirming(headers: &HeaderMap) -> Result<Answer, Problem> {
    let page = ConfirmingPage { layout: Layout::titled("Confirming") };
    html::answer(headers, StatusCode::ACCEPTED, &page).map(reloaded)
}

fn reloaded(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(REFRESH, HeaderValue::from_static("2"));
    answer
}

async fn order(
    context: &Context,
    claim: Claim,
    pay_by: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Option<OrderView>, Problem> {
    let Some((view, attempt)) = context.payments.by_code(claim).await? else { return Ok(None) };
    let is_refunding =
        attempt.is_some_and(|attempt| matches!(attempt.state, AttemptState::Refunding | AttemptState::Refunded));
    Ok(Some(OrderView {
        status: view.order.status,
        reason: view.order.reason,
        pay_by: number::time(pay_by, now),
        pay_by_ms: pay_by.timestamp_millis(),
        now_ms: now.timestamp_millis(),
        left: number::span(pay_by - now),
        attempts_left: PAYMENT_ATTEMPTS.saturating_sub(view.order.declines),
        is_refunding,
    }))
}

fn view(receipt: Receipt, order: Option<OrderView>, now: DateTime<Utc>) -> ReceiptView {
    let currency = receipt.currency;
    ReceiptView {
        code: receipt.code,
        order_id: receipt.order_id.to_string(),
        when: number::time(receipt.purchased_at, now),
        lines: receipt
            .lines
            .into_iter()
            .map(|line| LineView {
                price: number::price(line.price.times(line.quantity), currency),
                name: line.name,
                quantity: line.quantity,
                is_sold: line.sold,
            })
            .collect(),
        total: number::price(receipt.total, currency),
        missed: receipt.missed_units,
        order,
    }
}
