//! The client of a provider in the manner of Stripe's PaymentIntents.

use std::fmt;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{Method, Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::application::payment::ports::{CircuitState, Provider, ProviderError};
use crate::domain::payment::{Attempt, IntentId, IntentState};
use crate::infrastructure::telemetry::Chain;

use super::circuit::Circuit;
use super::metrics::{Operation, Outcome};
use super::url::{ProviderUrl, RootCertificateError};

/// Longest wait for an answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// Times that a request is repeated which the provider answered with a failure of its own.
const REPEATS: usize = 2;

/// Most bytes of an answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// The key of this service at the provider. It is never printed.
#[derive(Clone)]
pub struct ProviderKey(String);

impl ProviderKey {
    /// A key; `None` for an empty text, which is none.
    pub fn new(text: String) -> Option<Self> {
        (!text.is_empty()).then_some(ProviderKey(text))
    }
}

impl fmt::Debug for ProviderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProviderKey(..)")
    }
}

/// A provider over HTTP.
#[derive(Debug)]
pub struct HttpProvider {
    base: String,
    key: ProviderKey,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    circuit: Circuit,
}

/// An intent, as the provider shows it.
#[derive(Debug, Deserialize)]
struct Intent {
    id: String,
    status: String,
}

/// An answer of the provider.
struct Reply {
    status: StatusCode,
    body: Bytes,
}

impl HttpProvider {
    /// The provider at this URL.
    pub fn new(url: &ProviderUrl, key: ProviderKey) -> Result<Self, RootCertificateError> {
        let connector = HttpsConnectorBuilder::new().with_tls_config(url.tls()?).https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(HttpProvider { base: url.base().to_owned(), key, client, circuit: Circuit::default() })
    }

    /// Posts a request, and repeats it at once if the provider fails: the key makes it the same request.
    async fn post(&self, operation: Operation, path: &str, key: String, body: Value) -> Result<Reply, ProviderError> {
        let mut result = self.send(operation, Method::POST, path, Some(key.clone()), body.to_string()).await;
        for _ in 0..REPEATS {
            if !matches!(result, Err(ProviderError::Failed(_))) {
                break;
            }
            match self.send(operation, Method::POST, path, Some(key.clone()), body.to_string()).await {
                // Only the repetition was not sent: the request before it may have been carried out.
                Err(ProviderError::Resting) => break,
                repeated => result = repeated,
            }
        }
        result
    }

    async fn send(
        &self,
        operation: Operation,
        method: Method,
        path: &str,
        key: Option<String>,
        body: String,
    ) -> Result<Reply, ProviderError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(AUTHORIZATION, format!("Bearer {}", self.key.0))
            .header(CONTENT_TYPE, "application/json");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let request = request.body(Full::from(body)).map_err(unknown)?;
        let admitted = self.circuit.admit(Instant::now()).ok_or(ProviderError::Resting)?;
        let answered = tokio::time::timeout(DEADLINE, self.exchange(request)).await;
        let result = answered.unwrap_or_else(|_| Err(ProviderError::Unknown("no answer in time".into())));
        // A server error is an answer of something that does not work.
        let has_answered = result.as_ref().is_ok_and(|reply| !reply.status.is_server_error());
        if has_answered || operation.tells_of_provider() {
            self.circuit.note(admitted, has_answered, Instant::now());
        }
        match result {
            Ok(reply) if !has_answered => Err(ProviderError::Failed(reply.status.as_u16())),
            result => result,
        }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Reply, ProviderError> {
        let answer = self.client.request(request).await.map_err(unknown)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| ProviderError::Unknown(error.to_string()))?.to_bytes();
        Ok(Reply { status, body })
    }
}

impl Reply {
    fn intent(&self) -> Result<Intent, ProviderError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| ProviderError::Unknown(format!("it answered {} without an intent: {error}", self.status)))
    }

    fn state(&self) -> Result<IntentState, ProviderError> {
        state(&self.intent()?.status).ok_or_else(|| ProviderError::Unknown("the intent is in an unknown state".into()))
    }
}

/// Reads the state of an intent.
pub fn state(word: &str) -> Option<IntentState> {
    Some(match word {
        "requires_confirmation" => IntentState::Unconfirmed,
        "processing" => IntentState::Processing,
        "requires_payment_method" => IntentState::Declined,
        "succeeded" => IntentState::Succeeded,
        "canceled" => IntentState::Cancelled,
        _ => return None,
    })
}

/// Returns true for a refusal that a repetition would meet again. A key of the service that is wrong says nothing about the
/// payment, and is set right by its operator.
fn is_refusal(status: StatusCode) -> bool {
    let is_about_payment = !matches!(
        status,
        StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::REQUEST_TIMEOUT
            | StatusCode::CONFLICT
            | StatusCode::TOO_MANY_REQUESTS
    );
    status.is_client_error() && is_about_payment
}

fn unknown(error: impl std::error::Error) -> ProviderError {
    ProviderError::Unknown(Chain(&error).to_string())
}

#[async_trait]
impl Provider for HttpProvider {
    fn circuit(&self) -> Option<CircuitState> {
        Some(self.circuit.state_at(Instant::now()))
    }

    async fn create(&self, attempt: &Attempt) -> Result<IntentId, ProviderError> {
        let body = json!({
            "amount": attempt.amount.0,
            "currency": attempt.currency,
            "order_id": attempt.order,
        });
        let creating = async {
            let reply =
                self.post(Operation::Create, "/payment_intents", attempt.idempotency_key("create"), body).await?;
            if is_refusal(reply.status) {
                return Err(ProviderError::Refused(reply.status.as_u16()));
            }
            reply.intent()?.id.parse().map_err(unknown)
        };
        Operation::Create.measured(|_| Outcome::Unconfirmed, creating).await
    }

    async fn confirm(&self, intent: &IntentId, attempt: &Attempt) -> Result<IntentState, ProviderError> {
        let (path, body) =
            (format!("/payment_intents/{intent}/confirm"), json!({ "payment_method": attempt.method.as_str() }));
        let confirming = async {
            let reply = self.post(Operation::Confirm, &path, attempt.idempotency_key("confirm"), body).await?;
            match reply.status {
                StatusCode::BAD_REQUEST => Err(ProviderError::UnknownMethod),
                _ => reply.state(),
            }
        };
        Operation::Confirm.measured(Outcome::of_state, confirming).await
    }

    async fn cancel(&self, intent: &IntentId, attempt: &Attempt) -> Result<IntentState, ProviderError> {
        let path = format!("/payment_intents/{intent}/cancel");
        let key = attempt.idempotency_key("cancel");
        let cancelling = async { self.post(Operation::Cancel, &path, key, json!({})).await?.state() };
        Operation::Cancel.measured(Outcome::of_state, cancelling).await
    }

    async fn refund(&self, intent: &IntentId, attempt: &Attempt) -> Result<(), ProviderError> {
        let body = json!({ "payment_intent": intent.as_str() });
        let refunding = async {
            let reply = self.post(Operation::Refund, "/refunds", attempt.idempotency_key("refund"), body).await?;
            match reply.status.is_success() {
                true => Ok(()),
                false => Err(ProviderError::Unknown(format!("the refund was answered {}", reply.status))),
            }
        };
        Operation::Refund.measured(|()| Outcome::Refunded, refunding).await
    }

    async fn get(&self, intent: &IntentId) -> Result<IntentState, ProviderError> {
        let path = format!("/payment_intents/{intent}");
        let getting = async { self.send(Operation::Get, Method::GET, &path, None, String::new()).await?.state() };
        Operation::Get.measured(Outcome::of_state, getting).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_that_stays_the_same_is_a_refusal() {
        for (status, expected) in [
            (201, false),
            (400, true),
            (401, false),
            (403, false),
            (404, true),
            (408, false),
            (409, false),
            (422, true),
            (429, false),
            (500, false),
        ] {
            assert_eq!(is_refusal(StatusCode::from_u16(status).unwrap()), expected, "{status}");
        }
    }
}
