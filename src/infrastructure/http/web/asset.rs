//! `GET /static/{file}`: sends a file that pages load.

use hyper::header::{CACHE_CONTROL, HeaderValue};
use hyper::{Method, StatusCode};

use crate::infrastructure::http::platform::policy::Audience;
use crate::infrastructure::http::platform::router::not_found;
use crate::infrastructure::http::platform::{Answer, ApiRequest, Endpoint, Policy, Problem, answer};

use super::assets;
use super::html::{accepts_gzip, describe_encoding, protect};

/// Every listener has pages that need these files.
const POLICY: Policy = Policy { audience: Audience::Everybody, ..Policy::SHOPPING };

pub static ENDPOINT: Endpoint =
    Endpoint::page(Method::GET, "/static/{file}", POLICY, |_context, request| Box::pin(async { get(request) }));

fn get(request: &ApiRequest) -> Result<Answer, Problem> {
    let asset = assets::find(request.head.uri.path()).ok_or_else(not_found)?;
    let is_gzipped = accepts_gzip(&request.head.headers);
    let bytes = if is_gzipped { &asset.gzipped } else { &asset.plain };
    let mut answer = answer::of_type(asset.media_type, StatusCode::OK, bytes.clone());
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    describe_encoding(headers, is_gzipped);
    protect(headers);
    Ok(answer)
}
