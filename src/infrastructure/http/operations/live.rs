//! `GET /health/live`: tells that the process runs.

use hyper::Method;
use serde::Serialize;
use utoipa::ToSchema;

use crate::infrastructure::http::platform::{Description, Endpoint, Policy, answer};

use super::OPERATIONS;
use super::health_body::Status;

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/health/live",
    policy: Policy::HEALTH,
    describe,
    handler: |_context, _request| Box::pin(async { Ok(answer::ok(&AliveBody { status: Status::Up })) }),
};

fn describe() -> Description {
    let description = "Always answers while the process runs. Restart the process if it does not.";
    Description::new(OPERATIONS, "isLive", "Check that the process runs", description)
        .examples(include_str!("live.json"))
        .answer::<AliveBody>(200, "The process runs")
}

/// The state of the process.
#[derive(Serialize, ToSchema)]
#[schema(as = Alive)]
struct AliveBody {
    status: Status,
}
