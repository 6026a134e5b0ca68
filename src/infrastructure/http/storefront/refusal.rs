//! The page that shows a problem.

use askama::Template;
use hyper::StatusCode;

use crate::infrastructure::http::platform::{Answer, ApiRequest, Problem};
use crate::infrastructure::http::web::accept::{is_browser, path_of};
use crate::infrastructure::http::web::html;

use super::layout::Layout;
use super::words;

/// The page.
#[derive(Template)]
#[template(path = "storefront/refusal.html")]
struct RefusalPage<'a> {
    layout: Layout,
    heading: &'a str,
    text: &'a str,
    /// The page to try again, for a request that only reads.
    again: Option<&'a str>,
}

/// Answers a request that is not served: a browser with a page, and a script with the problem in the same words.
pub fn refuse(problem: Problem, request: &ApiRequest) -> Answer {
    let code = problem.code();
    let (heading, text) = if problem.is_of_unknown_outcome() { words::UNKNOWN } else { words::of(code) };
    let refused = problem.with_detail(text).into_answer();
    let headers = &request.head.headers;
    if !is_browser(headers) {
        return refused;
    }
    let again = request.head.method.is_safe().then(|| path_of(&request.head.uri));
    let page = RefusalPage { layout: Layout::titled(heading), heading, text, again };
    let Ok(mut answer) = html::answer(headers, code.status(), &page) else { return refused };
    // `Retry-After`, and the like.
    for (name, value) in refused.headers() {
        if !answer.headers().contains_key(name) {
            answer.headers_mut().insert(name, value.clone());
        }
    }
    debug_assert_ne!(answer.status(), StatusCode::OK);
    answer
}
