//! Answers: a status and a JSON body.

use hyper::StatusCode;
use serde::Serialize;

/// An answer of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: StatusCode,
    pub body: String,
}

impl Answer {
    /// An answer with this JSON.
    pub fn json(status: StatusCode, body: &impl Serialize) -> Self {
        let body = serde_json::to_string(body).unwrap_or_else(|_| unreachable!("answers have text keys only"));
        Answer { status, body }
    }

    /// An error. `code` is a stable word.
    pub fn error(status: StatusCode, code: &str, message: &str) -> Self {
        Self::json(status, &serde_json::json!({ "error": { "code": code, "message": message } }))
    }

    /// An error in the request.
    pub fn invalid(message: &str) -> Self {
        Self::error(StatusCode::BAD_REQUEST, "invalid_request", message)
    }
}
