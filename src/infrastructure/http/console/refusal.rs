//! The page that shows an operator a problem.

use askama::Template;

use crate::infrastructure::http::platform::{Answer, ApiRequest, Problem, ProblemCode};
use crate::infrastructure::http::web::accept::is_browser;
use crate::infrastructure::http::web::html;

use super::layout::Layout;
use super::login;

/// The page.
#[derive(Template)]
#[template(path = "console/refusal.html")]
struct RefusalPage<'a> {
    layout: Layout,
    heading: &'a str,
    text: &'a str,
}

/// Answers a request that is not served: a browser without a session with the page that begins one.
pub fn refuse(problem: Problem, request: &ApiRequest) -> Answer {
    let (headers, code) = (&request.head.headers, problem.code());
    if !is_browser(headers) {
        return problem.into_answer();
    }
    let page = match code {
        ProblemCode::Unauthorized => login::show(headers, code.status(), None),
        _ => {
            let (layout, heading, text) = (Layout::titled(code.title()), code.title(), problem.detail());
            html::answer(headers, code.status(), &RefusalPage { layout, heading, text })
        }
    };
    page.unwrap_or_else(|_| problem.into_answer())
}
