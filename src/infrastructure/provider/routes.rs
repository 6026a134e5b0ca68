//! The routes of the API.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode};
use serde_json::json;

use super::answer::Answer;
use super::api_key::ApiKey;
use super::charges::{Charges, Reply, unknown_intent};
use super::operation::Operation;
use super::{intent, report};

/// Most bytes of a body, and the longest time for it.
const BODY_BYTES_MAX: usize = 16 * 1024;
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// Most characters of an idempotency key.
const KEY_CHARS_MAX: usize = 255;

/// Everything that the routes need.
#[derive(Debug, Clone)]
pub struct Api {
    pub charges: Charges,
    pub key: ApiKey,
}

impl Api {
    /// Returns the reply to a request.
    pub async fn reply(&self, request: Request<Incoming>) -> Reply {
        let (head, body) = request.into_parts();
        self.route(&head, body).await.unwrap_or_else(Reply::Answered)
    }

    async fn route(&self, head: &Parts, body: Incoming) -> Result<Reply, Answer> {
        let path: Vec<&str> = head.uri.path().trim_start_matches('/').split('/').collect();
        if (&head.method, path.as_slice()) == (&Method::GET, &["health", "live"]) {
            return Ok(Reply::Answered(Answer::json(StatusCode::OK, &json!({ "status": "UP" }))));
        }
        if !self.key.is_in(&head.headers) {
            let message = "send the key of the provider as Authorization: Bearer <key>";
            return Err(Answer::error(StatusCode::UNAUTHORIZED, "unauthorized", message));
        }
        match head.method {
            Method::GET => self.read(head, &path).await.map(Reply::Answered),
            Method::POST => self.change(head, &path, body).await,
            _ => Err(unknown_path()),
        }
    }

    async fn read(&self, head: &Parts, path: &[&str]) -> Result<Answer, Answer> {
        let pool = &self.charges.pool;
        match path {
            ["payment_intents", id] => {
                let intent = intent::find(pool, id).await.map_err(unavailable)?;
                Ok(intent.map_or_else(unknown_intent, |intent| Answer::json(StatusCode::OK, &intent)))
            }
            ["payment_intents"] => {
                let intents = intent::of_order(pool, &order_id(head)?).await.map_err(unavailable)?;
                Ok(Answer::json(StatusCode::OK, &json!({ "payment_intents": intents })))
            }
            ["report"] => Ok(Answer::json(StatusCode::OK, &report::read(pool).await.map_err(unavailable)?)),
            _ => Err(unknown_path()),
        }
    }

    async fn change(&self, head: &Parts, path: &[&str], body: Incoming) -> Result<Reply, Answer> {
        let body = read_body(body).await?;
        let operation = match path {
            ["payment_intents"] => Operation::create(&body),
            ["payment_intents", id, "confirm"] => Operation::confirm(id, &body),
            ["payment_intents", id, "cancel"] => Operation::cancel(id, &body),
            ["refunds"] => Operation::refund(&body),
            _ => Err(unknown_path()),
        }?;
        let (key, charges) = (idempotency_key(head)?, self.charges.clone());
        // A task of its own, because a client that disconnects cancels this future.
        let executing = tokio::spawn(async move { charges.execute(&key, &operation).await });
        match executing.await {
            Ok(reply) => reply.map_err(unavailable),
            Err(error) => {
                tracing::error!(%error, "an operation ended without a result");
                Err(unknown_outcome())
            }
        }
    }
}

fn idempotency_key(head: &Parts) -> Result<String, Answer> {
    let key = head.headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    let key = key.filter(|key| (1..=KEY_CHARS_MAX).contains(&key.len()));
    key.map(str::to_owned).ok_or_else(|| {
        Answer::invalid(&format!("send a header Idempotency-Key of 1 to {KEY_CHARS_MAX} visible characters"))
    })
}

fn order_id(head: &Parts) -> Result<String, Answer> {
    let mut query = form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes());
    match (query.next(), query.next()) {
        (Some((name, order_id)), None) if name == "order_id" => Ok(order_id.into_owned()),
        _ => Err(Answer::invalid("the query must be order_id=<id>")),
    }
}

async fn read_body(body: Incoming) -> Result<Bytes, Answer> {
    match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, BODY_BYTES_MAX).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let message = format!("send a body of at most {BODY_BYTES_MAX} bytes");
            Err(Answer::error(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", &message))
        }
        Ok(Err(_)) => Err(Answer::invalid("the body ended before it was complete")),
        Err(_) => Err(Answer::error(StatusCode::REQUEST_TIMEOUT, "request_timeout", "the body did not arrive in time")),
    }
}

fn unknown_path() -> Answer {
    Answer::error(StatusCode::NOT_FOUND, "not_found", "check the method and the path")
}

fn unavailable(error: sqlx::Error) -> Answer {
    tracing::warn!(%error, "the database failed");
    unknown_outcome()
}

fn unknown_outcome() -> Answer {
    let message = "the outcome is unknown: repeat the request with the same Idempotency-Key";
    Answer::error(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
}
