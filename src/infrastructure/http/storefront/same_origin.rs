//! Refuses forms of other sites.

use hyper::header::{HOST, HeaderMap, ORIGIN};

use crate::infrastructure::http::platform::{Problem, ProblemCode};

/// Fails unless a form comes from a page of this service.
pub fn check(headers: &HeaderMap) -> Result<(), Problem> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
    let origin_host = origin.and_then(|origin| origin.split_once("://")).map(|(_scheme, host)| host);
    match origin_host {
        Some(origin) if Some(origin) == host => Ok(()),
        _ => Err(Problem::new(ProblemCode::Forbidden, "The form was not sent by a page of this shop.")),
    }
}
