//! `GET /docs`: redirects to the documentation.

use hyper::{Method, StatusCode};

use crate::infrastructure::http::platform::{Description, Endpoint, Policy, answer};

use super::DOCUMENTATION;

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/docs",
    policy: Policy::DOCUMENTATION,
    describe,
    handler: |_context, _request| {
        // A relative path, so that it also works behind a proxy that adds a prefix.
        Box::pin(async { Ok(answer::redirect(StatusCode::PERMANENT_REDIRECT, "docs/index.html")) })
    },
};

fn describe() -> Description {
    Description::new(DOCUMENTATION, "getDocs", "Go to the documentation", "Redirects to Swagger UI.")
        .empty_answer(308, "The documentation is at `Location`")
        .header(308, "Location", "The path of the page")
}
