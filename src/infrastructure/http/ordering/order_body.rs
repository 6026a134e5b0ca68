//! The JSON of an order.

use chrono::{DateTime, Utc};
use hyper::StatusCode;
use hyper::header::{HeaderValue, RETRY_AFTER};
use serde::Serialize;
use utoipa::ToSchema;

use crate::application::ordering::OrderView;
use crate::domain::ordering::{OrderReason, OrderStatus};
use crate::domain::payment::{Attempt, AttemptState, PaymentMethod};
use crate::domain::sale::ReceiptLine;
use crate::domain::shared::limits::PAYMENT_ATTEMPTS;
use crate::domain::shared::{CheckoutCode, Currency, ItemId, Money, OrderId, SaleId, UserId};
use crate::infrastructure::http::platform::timestamp::{as_milliseconds, as_milliseconds_if_set};
use crate::infrastructure::http::platform::{Answer, answer};

/// An order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Order)]
pub struct OrderBody {
    order_id: OrderId,
    /// The checkout code, in a list that a token names the user of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    code: Option<CheckoutCode>,
    status: OrderStatus,
    /// The number of changes of the status, from 1.
    version: u32,
    sale_id: SaleId,
    user_id: UserId,
    items: Vec<OrderedItem>,
    total: Money,
    currency: Currency,
    #[serde(serialize_with = "as_milliseconds")]
    created_at: DateTime<Utc>,
    /// The time by which it must be paid. It never changes.
    #[serde(serialize_with = "as_milliseconds_if_set", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pay_by: Option<DateTime<Utc>>,
    #[serde(serialize_with = "as_milliseconds")]
    server_time: DateTime<Utc>,
    /// Payments that may still be declined before the order is cancelled.
    attempts_left: u32,
    /// The latest attempt to pay it, in `GET /orders/{code}` and in every 202.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    payment: Option<PaymentBody>,
    /// The reason of an end without payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<OrderReason>,
}

/// Units of one item in an order.
#[derive(Debug, Serialize, ToSchema)]
struct OrderedItem {
    id: ItemId,
    name: String,
    price: Money,
    quantity: u32,
}

/// An attempt to pay an order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderPayment)]
struct PaymentBody {
    status: AttemptState,
    /// The means of payment, as it was sent.
    #[schema(value_type = PaymentMethod)]
    method: String,
}

/// Answers 202 with an order whose payment is under way.
pub fn pending(view: OrderView, payment: Attempt, now: DateTime<Utc>) -> Answer {
    let body = OrderBody::with_payment(view, Some(payment), now);
    let mut answer = answer::json(StatusCode::ACCEPTED, &body);
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}

impl OrderBody {
    /// The order at this time, with the latest attempt to pay it.
    pub fn with_payment(view: OrderView, attempt: Option<Attempt>, now: DateTime<Utc>) -> Self {
        let payment = attempt.map(|attempt| PaymentBody { status: attempt.state, method: attempt.method.to_string() });
        OrderBody { payment, ..OrderBody::new(view, now) }
    }

    /// The order at this time, with its checkout code.
    pub fn with_code(view: OrderView, now: DateTime<Utc>) -> Self {
        OrderBody { code: Some(view.receipt.code), ..OrderBody::new(view, now) }
    }

    /// The order at this time.
    pub fn new(view: OrderView, now: DateTime<Utc>) -> Self {
        let OrderView { order, receipt } = view;
        let item =
            |ReceiptLine { id, name, price, quantity, sold }| sold.then_some(OrderedItem { id, name, price, quantity });
        OrderBody {
            order_id: order.id,
            code: None,
            status: order.status,
            version: order.version.0,
            sale_id: receipt.sale_id,
            user_id: receipt.user_id,
            items: receipt.lines.into_iter().filter_map(item).collect(),
            total: receipt.total,
            currency: receipt.currency,
            created_at: receipt.purchased_at,
            pay_by: receipt.pay_by,
            server_time: now,
            attempts_left: PAYMENT_ATTEMPTS.saturating_sub(order.declines),
            payment: None,
            reason: order.reason,
        }
    }
}
