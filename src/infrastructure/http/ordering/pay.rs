//! `POST /orders/{code}/pay`: pays an order.

use hyper::{Method, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa::openapi::Required;

use crate::application::ordering::OrderView;
use crate::application::payment::{Paid, PayError};
use crate::domain::ordering::OrderStatus;
use crate::domain::payment::PaymentMethod;
use crate::domain::shared::CheckoutCode;
use crate::domain::shared::limits::PAYMENT_ATTEMPTS;
use crate::infrastructure::http::platform::openapi::schema::{self, reference};
use crate::infrastructure::http::platform::policy::{Accepts, Class, Load, OnTimeout};
use crate::infrastructure::http::platform::store_failure::while_selling;
use crate::infrastructure::http::platform::{
    Answer, ApiRequest, Context, Description, Endpoint, FieldErrors, Policy, Problem, ProblemCode, answer, query,
};

use super::order_body::OrderBody;
use super::{ORDERING, order_not_found};

/// The detail of a payment that took too long.
pub const OUTCOME_UNKNOWN: &str =
    "It is not known whether the order was paid. Ask again, or GET /orders/{code}: it is charged once.";

/// The detail while the payment provider is left alone.
const PROVIDER_AWAY: &str = "The payment provider cannot be reached, so nothing was charged and no payment has begun. Try again in a few seconds.";

/// The members with the attempts left, and with the state of an order that has ended.
const ATTEMPTS_LEFT: &str = "attempts_left";
const ORDER_STATUS: &str = "order_status";

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::POST,
    path: "/orders/{code}/pay",
    policy: Policy {
        accepts: Accepts::Json,
        load: Load::Bounded(Class::Checkout, OnTimeout::OutcomeUnknown(OUTCOME_UNKNOWN)),
        ..Policy::SHOPPING
    },
    describe,
    handler: |context, request| Box::pin(post(context, request)),
};

fn describe() -> Description {
    let description = "Charges the total of an order once, however often it is asked.";
    Description::new(ORDERING, "payOrder", "Pay an order", description)
        .examples(include_str!("pay.json"))
        .path::<CheckoutCode>("code")
        .body::<PayRequest>(Required::True)
        .with_schema::<OrderStatus>()
        .answer::<OrderBody>(200, "The paid order")
        .answer::<OrderBody>(202, "A payment is under way, or its outcome is not known yet: GET `Location`")
        .header(202, "Location", "The path of the order")
        .problems([ProblemCode::InvalidRequest, ProblemCode::OrderNotFound, ProblemCode::OrderExpired])
        .problem_with(ProblemCode::PaymentDeclined, ATTEMPTS_LEFT, schema::positive().minimum(Some(0)))
        .problem_with(ProblemCode::OrderInvalidState, ORDER_STATUS, reference::<OrderStatus>())
}

/// A payment.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Payment)]
struct PayRequest {
    /// A means of payment, as the provider names it for its owner.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9_.:-]+$")]
    payment_method: String,
}

async fn post(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let code: CheckoutCode = request.params.parse("code")?;
    let [] = query::read(request.query(), [])?;
    let PayRequest { payment_method } = request.required_json()?;
    let mut errors = FieldErrors::default();
    let method: Option<PaymentMethod> = errors.take("payment_method", payment_method.parse());
    let Some(method) = method else { return Err(errors.into_problem()) };
    context.rates.check_code(&request.counted, code)?;
    let paid = pay(context, code, method).await?;
    let body = |view: OrderView| {
        context.rates.count_user(&view.receipt.user_id);
        OrderBody::new(view, context.shop.clock.now())
    };
    match paid {
        Ok(Paid::Paid(view)) => Ok(answer::ok(&body(view))),
        Ok(Paid::Pending(view)) => {
            let answer = answer::json(StatusCode::ACCEPTED, &body(view));
            Ok(answer::located(answer, &format!("/orders/{code}")))
        }
        Err(error) => Err(problem(error)),
    }
}

/// Pays an order. A request owns nothing: the payment goes on without its client.
pub async fn pay(
    context: &Context,
    code: CheckoutCode,
    method: PaymentMethod,
) -> Result<Result<Paid, PayError>, Problem> {
    let payments = context.payments.clone();
    let paying = tokio::spawn(async move { payments.pay(code, method).await });
    paying.await.map_err(|error| {
        tracing::error!(%error, "a payment ended without a result");
        Problem::unavailable(OUTCOME_UNKNOWN).of_unknown_outcome()
    })
}

/// Turns an error into its problem.
pub fn problem(error: PayError) -> Problem {
    match error {
        PayError::NotFound => order_not_found(),
        PayError::UnknownMethod => FieldErrors::one("payment_method", "is not known to the payment provider"),
        PayError::Declined(view) => {
            let left = PAYMENT_ATTEMPTS.saturating_sub(view.order.declines);
            let detail = match left {
                0 => "The payment was declined for the last time, so the order is cancelled.",
                _ => "The payment was declined. Try another means of payment while attempts are left.",
            };
            Problem::new(ProblemCode::PaymentDeclined, detail).member(ATTEMPTS_LEFT, &left)
        }
        PayError::Cancelled(view) => {
            let detail = "The order was cancelled, so it cannot be paid.";
            Problem::new(ProblemCode::OrderInvalidState, detail).member(ORDER_STATUS, &view.order.status)
        }
        PayError::Expired(_) => {
            Problem::new(ProblemCode::OrderExpired, "The order was not paid in time. Its units are for sale again.")
        }
        PayError::ProviderAway => Problem::unavailable(PROVIDER_AWAY),
        PayError::Failed(error) => while_selling(error, OUTCOME_UNKNOWN),
    }
}
