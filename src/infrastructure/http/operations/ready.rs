//! `GET /health/ready`: tells if the service can serve.

use hyper::Method;

use crate::infrastructure::http::platform::{Description, Endpoint, Policy};

use super::OPERATIONS;
use super::health_body::{describe_readiness, readiness};

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/health/ready",
    policy: Policy::HEALTH,
    describe,
    handler: |context, _request| Box::pin(async { Ok(readiness(context).await) }),
};

fn describe() -> Description {
    let description = "Checks Redis, PostgreSQL and the writer of the ledger. Send no requests to an instance that is not \
                       ready.";
    let described = Description::new(OPERATIONS, "isReady", "Check that the service can serve", description);
    describe_readiness(described.examples(include_str!("ready.json")))
}
