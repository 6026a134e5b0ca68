//! `GET /`: redirects to the documentation.

use hyper::{Method, StatusCode};

use crate::infrastructure::http::platform::{Description, Endpoint, Policy, answer};

use super::{DOCS_PAGE, DOCUMENTATION};

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/",
    policy: Policy::DOCUMENTATION,
    describe,
    handler: |_context, _request| Box::pin(async { Ok(answer::redirect(StatusCode::TEMPORARY_REDIRECT, DOCS_PAGE)) }),
};

fn describe() -> Description {
    Description::new(DOCUMENTATION, "getRoot", "Go to the documentation", "Redirects to Swagger UI.")
        .empty_answer(307, "The documentation is at `Location`")
        .header(307, "Location", "The path of the page")
}
