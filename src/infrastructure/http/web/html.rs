//! Answers with pages for browsers.

use askama::Template;
use flate2::Compression;
use hyper::StatusCode;
use hyper::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, HeaderMap, HeaderValue, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};

use crate::infrastructure::http::platform::{Answer, Problem, ProblemCode, answer};

use super::assets;

/// Pages load only files of this service, and pictures of the catalog. Nothing turns text into elements or code.
const SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https:; \
                               connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
                               require-trusted-types-for 'script'; trusted-types 'none'";

/// Answers with a page, compressed if the browser accepts it.
pub fn answer(headers: &HeaderMap, status: StatusCode, page: &impl Template) -> Result<Answer, Problem> {
    let html = page.render().map_err(|error| {
        tracing::error!(%error, "a page could not be written");
        Problem::new(ProblemCode::Internal, "The page has a fault, which the service has logged. Try again.")
    })?;
    let is_gzipped = accepts_gzip(headers);
    const HTML: &str = "text/html; charset=utf-8";
    let mut answer = match is_gzipped {
        true => answer::of_type(HTML, status, assets::gzip(html.as_bytes(), Compression::default())),
        false => answer::of_type(HTML, status, html),
    };
    describe_encoding(answer.headers_mut(), is_gzipped);
    protect(answer.headers_mut());
    Ok(answer)
}

/// Returns true if the client can read gzip.
pub fn accepts_gzip(headers: &HeaderMap) -> bool {
    let listed = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut codings = listed.flat_map(|value| value.split(',')).map(|coding| coding.trim().to_ascii_lowercase());
    codings.any(|coding| coding == "gzip" || coding.starts_with("gzip;") && !coding.ends_with("q=0"))
}

/// Adds the headers of an answer that exists in two encodings.
pub fn describe_encoding(headers: &mut HeaderMap, is_gzipped: bool) {
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    if is_gzipped {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
}

/// Adds the headers that keep foreign code out. The origin of a form must stay in its request, so the referrer is not
/// withheld from this service.
pub fn protect(headers: &mut HeaderMap) {
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(SECURITY_POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
}
