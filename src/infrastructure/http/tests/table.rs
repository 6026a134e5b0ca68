//! Tables of endpoints for tests.

use hyper::Method;

use crate::infrastructure::http::platform::endpoint::{Api, Handler};
use crate::infrastructure::http::platform::{Answer, Description, Endpoint, Policy};

/// An endpoint that answers 200 without a body. It lives until the process ends.
pub fn endpoint(method: Method, path: &'static str) -> &'static Endpoint {
    endpoint_with(method, path, |_context, _request| Box::pin(async { Ok(Answer::default()) }))
}

/// An endpoint with this handler. It lives until the process ends.
pub fn endpoint_with(method: Method, path: &'static str, handler: Handler) -> &'static Endpoint {
    let describe = || Description::new("Tests", "test", "Test", "Test");
    Box::leak(Box::new(Endpoint { method, path, policy: Policy::SHOPPING, describe, handler }))
}

/// An interface of these endpoints. It lives until the process ends.
pub fn api(endpoints: Vec<&'static Endpoint>) -> &'static Api {
    Box::leak(Box::new(Api { introduction: String::new, tags: &["Tests"], endpoints: endpoints.leak(), pages: &[] }))
}
