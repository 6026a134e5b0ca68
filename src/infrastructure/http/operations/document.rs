//! `GET /openapi.json`: sends the OpenAPI document of the listener.

use hyper::Method;
use utoipa::openapi::schema::{Object, Type};

use crate::infrastructure::http::platform::page::describe_cached;
use crate::infrastructure::http::platform::{Description, Endpoint, Policy};

use super::DOCUMENTATION;

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/openapi.json",
    policy: Policy::DOCUMENTATION,
    describe,
    handler: |context, request| Box::pin(async { Ok(context.document.answer(&request.head.headers)) }),
};

fn describe() -> Description {
    let description = "Describes the endpoints of the listener that answers.";
    let described = Description::new(DOCUMENTATION, "getDocument", "Get this document", description);
    describe_cached(described.answer_as(200, "application/json", Object::with_type(Type::Object), "The document"))
}
