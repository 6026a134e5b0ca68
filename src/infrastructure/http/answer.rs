//! What is sent back.

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Body as _;
use hyper::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::shared::CheckoutCode;

/// A response, complete.
pub type Answer = Response<Full<Bytes>>;

/// The answer is one that was given before.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// 200 with this body.
pub fn ok(body: &impl Serialize) -> Answer {
    with_body(StatusCode::OK, body)
}

/// 201 with this body, for something that is now at this place.
pub fn created(at: &str, body: &impl Serialize) -> Answer {
    located(with_body(StatusCode::CREATED, body), at)
}

/// A purchase that is decided, and not known to be durable yet.
#[derive(Serialize, ToSchema)]
pub struct Confirming {
    #[schema(pattern = "^confirming$")]
    status: &'static str,
}

/// 202: decided, not known to be durable yet.
pub fn confirming(code: CheckoutCode) -> Answer {
    let answer = with_body(StatusCode::ACCEPTED, &Confirming { status: "confirming" });
    let mut answer = located(answer, &format!("/purchase/{code}"));
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}

/// JSON, not to be kept by anybody on the way.
pub fn with_body(status: StatusCode, body: &impl Serialize) -> Answer {
    let mut bytes = Vec::with_capacity(512);
    let (status, bytes) = match serde_json::to_writer(&mut bytes, body) {
        Ok(()) => (status, bytes),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            (StatusCode::INTERNAL_SERVER_ERROR, Vec::new())
        }
    };
    of_type("application/json", status, bytes.into())
}

/// Bytes of this media type, not to be kept by anybody on the way.
pub fn of_type(media_type: &'static str, status: StatusCode, bytes: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(bytes));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// The same answer as to GET, without its body.
pub fn to_head(answer: Answer) -> Answer {
    let length = answer.body().size_hint().exact();
    let mut answer = answer.map(|_| Full::default());
    if let Some(length) = length.filter(|length| *length > 0) {
        answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    answer
}

fn located(mut answer: Answer, at: &str) -> Answer {
    if let Ok(place) = HeaderValue::from_str(at) {
        answer.headers_mut().insert(LOCATION, place);
    }
    answer
}
