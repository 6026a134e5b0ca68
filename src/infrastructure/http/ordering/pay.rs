//! `POST /orders/{code}/pay`: pays an order.

use hyper::Method;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa::openapi::Required;

use crate::application::ordering::OrderView;
use crate::application::payment::{Paid, PayError};
use crate::domain::ordering::OrderStatus;
use crate::domain::payment::PaymentMethod;
use crate::domain::shared::limits::PAYMENT_ATTEMPTS;
use crate::domain::shared::{CheckoutCode, Claim};
use crate::infrastructure::http::platform::openapi::schema::{self, reference};
use crate::infrastructure::http::platform::policy::{Accepts, Class, Load, OnTimeout};
use crate::infrastructure::http::platform::store_failure::{of_unknown_outcome, while_selling};
use crate::infrastructure::http::platform::{
    Answer, ApiRequest, Context, Description, Endpoint, FieldErrors, Policy, Problem, ProblemCode, answer, query,
};

use super::order_body::{self, OrderBody};
use super::{ORDERING, order_not_found, order_path};

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
        load: Load::Bounded(Class::Payment, OnTimeout::OutcomeUnknown(OUTCOME_UNKNOWN)),
        ..Policy::PERSONAL
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
        .answer::<OrderBody>(
            202,
            "A payment is under way, of this request or of an earlier one, or its outcome is not known yet: `payment` \
             tells which. GET `Location` after `Retry-After`",
        )
        .header(202, "Location", "The path of the order")
        .header(202, "Retry-After", "Seconds")
        .problems([ProblemCode::InvalidRequest, ProblemCode::OrderNotFound, ProblemCode::OrderExpired])
        .problem_with(ProblemCode::PaymentDeclined, ATTEMPTS_LEFT, schema::positive().minimum(Some(0)))
        .problem_with(ProblemCode::OrderInvalidState, ORDER_STATUS, reference::<OrderStatus>())
}

/// A payment.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Payment)]
struct PayRequest {
    #[schema(value_type = PaymentMethod)]
    payment_method: String,
}

async fn post(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let code: CheckoutCode = request.params.parse("code")?;
    let [] = query::read(request.query(), [])?;
    let PayRequest { payment_method } = request.required_json()?;
    let mut errors = FieldErrors::default();
    let method: Option<PaymentMethod> = errors.take("payment_method", payment_method.parse());
    let Some(method) = method else { return Err(errors.into_problem()) };
    let paid = pay(context, context.claim(request, code)?, method).await?;
    let now = context.shop.clock.now();
    let count = |view: &OrderView| context.count_owner(request, &view.receipt.user_id);
    match paid {
        Ok(Paid::Paid(view)) => {
            count(&view);
            Ok(answer::ok(&OrderBody::new(view, now)))
        }
        Ok(Paid::Pending(view, payment)) => {
            count(&view);
            Ok(answer::located(order_body::pending(view, payment, now), &order_path(code)))
        }
        Err(error) => Err(problem(error)),
    }
}

/// Pays an order. A request owns nothing: the payment goes on without its client.
pub async fn pay(context: &Context, claim: Claim, method: PaymentMethod) -> Result<Result<Paid, PayError>, Problem> {
    let payments = context.payments.clone();
    let paying = tokio::spawn(async move { payments.pay(claim, method).await });
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
        PayError::Declined(view) => declined(
            &view,
            "The payment was declined. Try another means of payment while attempts are left.",
            "The payment was declined for the last time, so the order is cancelled. Buy the items again if they are still \
             for sale.",
        ),
        PayError::Refused(view) => declined(
            &view,
            "The payment provider refuses this payment, whatever the means of payment, and has charged nothing. Contact \
             the seller: trying again is not expected to help.",
            "The payment provider refuses this payment and has charged nothing, so the order is cancelled. Contact the \
             seller.",
        ),
        PayError::Cancelled(view) => {
            let detail =
                "The order was cancelled, so it cannot be paid. Buy the items again if they are still for sale.";
            Problem::new(ProblemCode::OrderInvalidState, detail).member(ORDER_STATUS, &view.order.status)
        }
        PayError::Expired(_) => {
            let detail =
                "The order was not paid in time, so it expired. Buy the items again if they are still for sale.";
            Problem::new(ProblemCode::OrderExpired, detail)
        }
        PayError::ProviderAway => Problem::unavailable(PROVIDER_AWAY),
        PayError::Failed(error) => while_selling(error, OUTCOME_UNKNOWN),
        PayError::Unknown(error) => of_unknown_outcome(error, OUTCOME_UNKNOWN),
    }
}

/// A declined payment of an order that has attempts left, or has none.
fn declined(view: &OrderView, detail: &'static str, at_last: &'static str) -> Problem {
    let left = PAYMENT_ATTEMPTS.saturating_sub(view.order.declines);
    let detail = if left == 0 { at_last } else { detail };
    Problem::new(ProblemCode::PaymentDeclined, detail).member(ATTEMPTS_LEFT, &left)
}
