//! `POST /orders/{code}/cancel`: cancels an order for its buyer.

use hyper::{Method, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa::openapi::Required;

use crate::application::ordering::Canceller;
use crate::domain::ordering::Note;
use crate::domain::shared::{CheckoutCode, UserId};
use crate::infrastructure::http::platform::policy::{Accepts, Class, Load, OnTimeout};
use crate::infrastructure::http::platform::{
    Answer, ApiRequest, Context, Description, Endpoint, FieldErrors, Policy, Problem, answer, json, query,
};

use super::cancel_body::{self, OUTCOME_UNKNOWN};
use super::{ORDERING, order_path};

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::POST,
    path: "/orders/{code}/cancel",
    policy: Policy {
        accepts: Accepts::Json,
        load: Load::Bounded(Class::Payment, OnTimeout::OutcomeUnknown(OUTCOME_UNKNOWN)),
        ..Policy::PERSONAL
    },
    describe,
    handler: |context, request| Box::pin(post(context, request)),
};

fn describe() -> Description {
    let description = "Ends an order that is not paid. Its units are for sale again. A repetition has the same answer.";
    let described = Description::new(ORDERING, "cancelOrder", "Cancel an order", description)
        .examples(include_str!("cancel_order.json"))
        .path::<CheckoutCode>("code")
        .body::<CancelRequest>(Required::True)
        .names_user();
    cancel_body::describe(described).header(202, "Location", "The path of the order")
}

/// An order to cancel.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Cancellation)]
struct CancelRequest {
    /// The buyer. Required, unless a token names the user.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(nullable = false)]
    user_id: Option<UserId>,
    /// The words of the buyer.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(value_type = Option<Note>, nullable = false)]
    reason: Option<String>,
}

async fn post(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let code: CheckoutCode = request.params.parse("code")?;
    let [] = query::read(request.query(), [])?;
    let CancelRequest { user_id, reason } = request.required_json()?;
    let user = request.about(user_id)?.ok_or_else(|| FieldErrors::one("user_id", "is required"))?;
    let note = cancel_body::note(reason)?;
    context.claim(request, code)?;
    if request.user.is_none() {
        context.rates.check_user(&request.counted, &user)?;
    }
    let canceller = Canceller::User { code, user };
    let cancelled = context.payments.cancel(&canceller, note.as_ref()).await.map_err(cancel_body::problem)?;
    let answer = cancel_body::answer(cancelled, context.shop.clock.now());
    Ok(match answer.status() {
        StatusCode::ACCEPTED => answer::located(answer, &order_path(code)),
        _ => answer,
    })
}
