//! `POST /admin/queue/{sale_id}`: changes the rate of a waiting room, pauses it, or tells those who wait something.

use std::sync::Arc;

use hyper::Method;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa::openapi::{Object, Required};

use crate::application::admission::RoomView;
use crate::application::admission::ports::Steering;
use crate::domain::shared::SaleId;
use crate::domain::shared::limits::{ADMIT_MAX, QUEUE_MESSAGE_CHARS_MAX};
use crate::infrastructure::http::admission::queue_body::{QueueBody, queue_not_found};
use crate::infrastructure::http::platform::openapi::schema;
use crate::infrastructure::http::platform::policy::Accepts;
use crate::infrastructure::http::platform::{
    Answer, ApiRequest, Context, Description, Endpoint, FieldErrors, Policy, Problem, ProblemCode, answer, json, query,
};

use super::ADMINISTRATION;

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::POST,
    path: "/admin/queue/{sale_id}",
    policy: Policy { accepts: Accepts::Json, ..Policy::ADMIN },
    describe,
    handler: |context, request| Box::pin(post(context, request)),
};

fn describe() -> Description {
    let description = "Changes what is given. Every instance follows within a fraction of a second.";
    Description::new(ADMINISTRATION, "steerQueue", "Change a waiting room", description)
        .examples(include_str!("steer_queue.json"))
        .path::<SaleId>("sale_id")
        .body::<SteeringBody>(Required::True)
        .answer::<QueueBody>(200, "The waiting room")
        .problems([ProblemCode::InvalidRequest, ProblemCode::QueueNotFound])
}

/// A change of a waiting room.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = QueueSteering)]
struct SteeringBody {
    /// Places that are called in a second at most.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(schema_with = number_schema, required = false)]
    rate: Option<u32>,
    /// Passes that may be out at once.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(schema_with = number_schema, required = false)]
    active: Option<u32>,
    /// `true` to call nobody for a while.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(nullable = false)]
    paused: Option<bool>,
    /// The words of the operator for all who wait. An empty text removes them.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(schema_with = message_schema, required = false)]
    message: Option<String>,
}

fn number_schema() -> Object {
    schema::positive().minimum(Some(0)).maximum(Some(ADMIT_MAX)).build()
}

fn message_schema() -> Object {
    schema::text_of(0, QUEUE_MESSAGE_CHARS_MAX).pattern(Some(r"^[^\u0000-\u001f\u007f-\u009f]*$")).build()
}

async fn post(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let sale = request.params.parse("sale_id")?;
    let [] = query::read(request.query(), [])?;
    let SteeringBody { rate, active, paused, message } = request.required_json()?;
    let view = steer(context, sale, Steering { rate, active_max: active, is_paused: paused, message }).await?;
    Ok(answer::ok(&QueueBody::new(&view, context.shop.clock.now())))
}

/// Changes a waiting room, and returns its state.
pub async fn steer(context: &Context, sale: SaleId, steering: Steering) -> Result<Arc<RoomView>, Problem> {
    let mut errors = FieldErrors::default();
    for (field, number) in [("rate", steering.rate), ("active", steering.active_max)] {
        if number.is_some_and(|number| number > ADMIT_MAX) {
            errors.add(field, &format!("must be 0 to {ADMIT_MAX}"));
        }
    }
    if steering
        .message
        .as_ref()
        .is_some_and(|text| text.chars().count() > QUEUE_MESSAGE_CHARS_MAX || text.contains(char::is_control))
    {
        errors.add("message", &format!("must be at most {QUEUE_MESSAGE_CHARS_MAX} characters in one line"));
    }
    errors.check()?;
    context.rooms.steer(sale, &steering).await?.ok_or_else(queue_not_found)
}
