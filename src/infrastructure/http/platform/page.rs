//! Pages: answers that stay the same while the process runs.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, HeaderMap, HeaderValue, X_CONTENT_TYPE_OPTIONS};

use super::answer::{self, Answer};
use super::etag;
use super::openapi::description::Description;
use super::openapi::schema::text;

/// A page loads nothing from other hosts. Swagger UI sets the style of elements in its code.
const SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                               img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                               frame-ancestors 'none'";

/// Bytes of one media type, with their `ETag`.
#[derive(Debug)]
pub struct Page {
    media_type: &'static str,
    tag: String,
    bytes: Bytes,
}

impl Page {
    /// A page of these bytes.
    pub fn new(media_type: &'static str, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Page { media_type, tag: etag::of(&bytes), bytes }
    }

    /// Returns the bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Answers with the page, or with 304 if the caller has it.
    pub fn answer(&self, request: &HeaderMap) -> Answer {
        let (status, bytes) = match etag::is_known(request, &self.tag) {
            true => (StatusCode::NOT_MODIFIED, Bytes::new()),
            false => (StatusCode::OK, self.bytes.clone()),
        };
        let mut answer = answer::of_type(self.media_type, status, bytes);
        let headers = answer.headers_mut();
        headers.extend(HeaderValue::try_from(&self.tag).ok().map(|tag| (ETAG, tag)));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(SECURITY_POLICY));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        answer
    }
}

/// Describes the conditional request and the headers of an endpoint that answers with a page.
pub fn describe_cached(description: Description) -> Description {
    description
        .request_header("If-None-Match", text(), "The `ETag` of the answer that the caller has")
        .empty_answer(304, "The caller has this answer")
        .header(200, "ETag", "Changes with the answer")
        .header(304, "ETag", "Changes with the answer")
}
