//! The kind of answer that a client asks for.

use hyper::header::{ACCEPT, HeaderMap};
use hyper::{StatusCode, Uri};

use crate::infrastructure::http::platform::{Answer, answer};

/// Returns true if the client shows pages.
pub fn is_browser(headers: &HeaderMap) -> bool {
    accepts(headers, "text/html")
}

/// Answers a form that has done its work: the result is at this path. A script gets `Location` in an answer that it can
/// read, because `fetch` hides redirections.
pub fn done(headers: &HeaderMap, path: &str) -> Answer {
    match accepts(headers, "application/json") && !is_browser(headers) {
        true => {
            let mut answer = answer::located(Answer::default(), path);
            *answer.status_mut() = StatusCode::NO_CONTENT;
            answer
        }
        false => answer::see_other(path),
    }
}

/// Returns the path of a URL with its query.
pub fn path_of(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |path| path.as_str())
}

fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).any(|value| value.contains(media_type))
}
