//! `POST /admin/console/logout`: ends the session of an operator.

use hyper::Method;
use hyper::header::SET_COOKIE;

use crate::infrastructure::http::platform::operator_session::close_session;
use crate::infrastructure::http::platform::{Answer, ApiRequest, Endpoint, answer};

use super::{FORM, OVERVIEW};

pub static ENDPOINT: Endpoint = Endpoint::page(Method::POST, "/admin/console/logout", FORM, |_context, request| {
    Box::pin(async { Ok(post(request)) })
});

fn post(request: &ApiRequest) -> Answer {
    let mut answer = answer::see_other(OVERVIEW);
    answer.headers_mut().extend(close_session(&request.head.headers).map(|cookie| (SET_COOKIE, cookie)));
    answer
}
