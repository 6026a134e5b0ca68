//! `GET /health`: another name of `GET /health/ready`.

use hyper::Method;

use crate::infrastructure::http::platform::{Description, Endpoint, Policy};

use super::OPERATIONS;
use super::health_body::{describe_readiness, readiness};

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/health",
    policy: Policy::HEALTH,
    describe,
    handler: |context, _request| Box::pin(async { Ok(readiness(context).await) }),
};

fn describe() -> Description {
    let described = Description::new(OPERATIONS, "getHealth", "Show the health", "The same as `/health/ready`.");
    describe_readiness(described.examples(include_str!("health.json")))
}
