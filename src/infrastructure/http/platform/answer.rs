//! Answers, and the ways to make one.

use bytes::Bytes;
use futures::Stream;
use hyper::body::Body as _;
use hyper::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::body::{Body, BoxError};

/// A response.
pub type Answer = Response<Body>;

/// Answers 200 with a JSON body.
pub fn ok(body: &impl Serialize) -> Answer {
    json(StatusCode::OK, body)
}

/// Answers 201 with a JSON body, for something that now exists at this path.
pub fn created(path: &str, body: &impl Serialize) -> Answer {
    located(json(StatusCode::CREATED, body), path)
}

/// Answers with a redirection to this path.
pub fn redirect(status: StatusCode, path: &'static str) -> Answer {
    let mut answer = Answer::default();
    *answer.status_mut() = status;
    answer.headers_mut().insert(LOCATION, HeaderValue::from_static(path));
    answer
}

/// Answers with a JSON body, which no cache may store.
pub fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    let (status, bytes) = to_json(status, body, &[]);
    of_type("application/json", status, bytes)
}

/// Writes a body as a JSON object, and adds these members, which are written already, each after a comma. Returns the
/// bytes with their status.
pub fn to_json(status: StatusCode, body: &impl Serialize, members: &[u8]) -> (StatusCode, Vec<u8>) {
    let mut bytes = Vec::with_capacity(512);
    if let Err(error) = serde_json::to_writer(&mut bytes, body) {
        tracing::error!(%error, "an answer could not be written as JSON");
        return (StatusCode::INTERNAL_SERVER_ERROR, Vec::new());
    }
    if !members.is_empty() && bytes.pop() == Some(b'}') {
        bytes.extend_from_slice(members);
        bytes.push(b'}');
    }
    (status, bytes)
}

/// Answers with bytes of this media type, such as `text/html; charset=utf-8`, which no cache may store.
pub fn of_type(media_type: &'static str, status: StatusCode, bytes: impl Into<Bytes>) -> Answer {
    with_body(media_type, status, Body::full(bytes))
}

/// Answers 200 with chunks of this media type, sent as they come, which no cache may store.
pub fn stream(
    media_type: &'static str,
    chunks: impl Stream<Item = Result<Bytes, BoxError>> + Send + 'static,
) -> Answer {
    with_body(media_type, StatusCode::OK, Body::stream(chunks))
}

/// Returns the answer to `HEAD` where this is the answer to `GET`.
pub fn to_head(answer: Answer) -> Answer {
    let length = answer.body().size_hint().exact();
    let mut answer = answer.map(|_| Body::default());
    if let Some(length) = length.filter(|length| *length > 0) {
        answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    answer
}

/// Answers 303: the result of a form is at this path.
pub fn see_other(path: &str) -> Answer {
    let mut answer = located(Answer::default(), path);
    *answer.status_mut() = StatusCode::SEE_OTHER;
    answer
}

/// Adds the header `Location`.
pub fn located(mut answer: Answer, path: &str) -> Answer {
    if let Ok(path) = HeaderValue::from_str(path) {
        answer.headers_mut().insert(LOCATION, path);
    }
    answer
}

fn with_body(media_type: &'static str, status: StatusCode, body: Body) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
