//! `POST /admin/orders/{order_id}/cancel`: cancels an order for an administrator.

use hyper::Method;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa::openapi::Required;

use crate::application::ordering::Canceller;
use crate::domain::ordering::Note;
use crate::domain::shared::OrderId;
use crate::infrastructure::http::ordering::cancel_body::{self, OUTCOME_UNKNOWN};
use crate::infrastructure::http::platform::policy::{Accepts, Class, Load, OnTimeout};
use crate::infrastructure::http::platform::{
    Answer, ApiRequest, Context, Description, Endpoint, Policy, Problem, query,
};

use super::ADMINISTRATION;

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::POST,
    path: "/admin/orders/{order_id}/cancel",
    policy: Policy {
        accepts: Accepts::Json,
        load: Load::Bounded(Class::Admin, OnTimeout::OutcomeUnknown(OUTCOME_UNKNOWN)),
        ..Policy::ADMIN
    },
    describe,
    handler: |context, request| Box::pin(post(context, request)),
};

fn describe() -> Description {
    let description = "Ends an order that is not paid. Its units are for sale again. A repetition has the same answer.";
    let described = Description::new(ADMINISTRATION, "adminCancelOrder", "Cancel an order", description)
        .examples(include_str!("cancel_order.json"))
        .path::<OrderId>("order_id")
        .body::<AdminCancelRequest>(Required::True);
    cancel_body::describe(described)
}

/// An order to cancel.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AdminCancellation)]
struct AdminCancelRequest {
    /// The words of the administrator, which are kept with the order.
    #[schema(value_type = Note)]
    reason: String,
}

async fn post(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let order: OrderId = request.params.parse("order_id")?;
    let [] = query::read(request.query(), [])?;
    let AdminCancelRequest { reason } = request.required_json()?;
    let note = cancel_body::note(Some(reason))?;
    let canceller = Canceller::Administrator { order };
    let cancelled = context.payments.cancel(&canceller, note.as_ref()).await.map_err(cancel_body::problem)?;
    Ok(cancel_body::answer(cancelled, context.shop.clock.now()))
}
