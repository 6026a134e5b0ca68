//! The JSON of the health of the service.

use hyper::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::infrastructure::http::platform::readiness::Services;
use crate::infrastructure::http::platform::{Answer, Context, Description, answer};

/// The state of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    Up,
    Down,
}

impl From<bool> for Status {
    fn from(is_up: bool) -> Self {
        if is_up { Status::Up } else { Status::Down }
    }
}

/// The health of the service.
#[derive(Serialize, ToSchema)]
#[schema(as = Health)]
struct HealthBody {
    status: Status,
    services_status: ServicesBody,
    uptime_seconds: u64,
    version: &'static str,
}

/// The state of everything that the service needs.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = Services)]
struct ServicesBody {
    app: Status,
    database: Status,
    redis: Status,
    ledger_writer: Status,
}

/// Answers 200 if the service can serve, and otherwise 503.
pub async fn readiness(context: &Context) -> Answer {
    let services = context.readiness.check(&context.shop).await;
    let Services { app, database, redis, ledger_writer } = services;
    let status = if services.are_up() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let services_status = ServicesBody {
        app: app.into(),
        database: database.into(),
        redis: redis.into(),
        ledger_writer: ledger_writer.into(),
    };
    let body = HealthBody {
        status: services.are_up().into(),
        services_status,
        uptime_seconds: context.readiness.uptime().as_secs(),
        version: env!("CARGO_PKG_VERSION"),
    };
    answer::json(status, &body)
}

/// Describes both answers.
pub fn describe_readiness(description: Description) -> Description {
    description
        .answer::<HealthBody>(200, "The service can serve")
        .answer::<HealthBody>(503, "A service that is needed is down")
}
