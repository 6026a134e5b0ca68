//! `POST /admin/console/login`: begins the session of an operator.

use askama::Template;
use chrono::Utc;
use hyper::header::{HeaderMap, SET_COOKIE};
use hyper::{Method, StatusCode};

use crate::infrastructure::http::platform::policy::Access;
use crate::infrastructure::http::platform::router::not_found;
use crate::infrastructure::http::platform::{Answer, ApiRequest, Context, Endpoint, Policy, Problem, answer};
use crate::infrastructure::http::web::html;

use super::layout::Layout;
use super::{FORM, OVERVIEW};

/// A login counts against the rate limit of its address, so that tokens cannot be guessed fast.
const POLICY: Policy = Policy { access: Access::Login, is_rate_limited: true, ..FORM };

pub static ENDPOINT: Endpoint = Endpoint::page(Method::POST, "/admin/console/login", POLICY, |context, request| {
    Box::pin(async { post(context, request) })
});

/// The page.
#[derive(Template)]
#[template(path = "console/login.html")]
struct LoginPage {
    layout: Layout,
    error: Option<&'static str>,
}

fn post(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let headers = &request.head.headers;
    let [given] = request.form(["token"])?;
    let token = context.admin_token.as_ref().ok_or_else(not_found)?;
    if !token.is(given.as_deref().unwrap_or_default().trim().as_bytes()) {
        return show(headers, StatusCode::FORBIDDEN, Some("That is not the admin token of this service."));
    }
    let mut answer = answer::see_other(OVERVIEW);
    answer.headers_mut().extend(token.open_session(headers, Utc::now()).map(|cookie| (SET_COOKIE, cookie)));
    Ok(answer)
}

/// Answers with the page that begins a session.
pub fn show(headers: &HeaderMap, status: StatusCode, error: Option<&'static str>) -> Result<Answer, Problem> {
    html::answer(headers, status, &LoginPage { layout: Layout::before_session("Log in"), error })
}
