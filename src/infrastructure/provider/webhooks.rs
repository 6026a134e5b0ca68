//! Delivers the events of the outbox, each at least once.

use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use http_body_util::Full;
use hyper::{Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use sqlx::{FromRow, PgPool};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::signature::WebhookSecret;

/// Pause between two looks at the outbox.
const EVERY: Duration = Duration::from_millis(50);

/// Most deliveries at the same time.
const DELIVERIES_MAX: usize = 64;

/// Longest wait for the answer of the receiver.
const DEADLINE: Duration = Duration::from_secs(5);

/// First pause after a failed delivery. Each further one is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The attempt that is logged as a warning, if it fails.
const WARNED_ATTEMPT: i32 = 5;

/// The URL of the receiver of webhooks.
#[derive(Debug, Clone)]
pub struct Receiver(Uri);

impl FromStr for Receiver {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = text.parse::<Uri>().ok().filter(|url| url.scheme_str() == Some("http") && url.host().is_some());
        url.map(Receiver).ok_or("must be an http URL, such as http://127.0.0.1:8080/payments/webhook")
    }
}

/// A part of a row of the outbox.
#[derive(FromRow)]
struct Event {
    number: i64,
    body: String,
    attempts: i32,
}

/// The outbox and its receiver.
#[derive(Clone)]
pub struct Webhooks {
    pool: PgPool,
    receiver: Receiver,
    secret: WebhookSecret,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Webhooks {
    /// The events of this database, for this receiver.
    pub fn new(pool: PgPool, receiver: Receiver, secret: WebhookSecret) -> Self {
        Webhooks { pool, receiver, secret, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    /// Delivers events until `shutdown`, and then waits for the deliveries under way.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut under_way = JoinSet::new();
        while shutdown.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            while let Some(ended) = under_way.try_join_next() {
                if let Err(error) = ended {
                    tracing::error!(%error, "a delivery ended without a result: it is repeated later");
                }
            }
            match self.claim(DELIVERIES_MAX - under_way.len()).await {
                Ok(events) => events.into_iter().for_each(|event| _ = under_way.spawn(self.clone().deliver(event))),
                Err(error) => tracing::warn!(%error, "the outbox could not be read: trying again"),
            }
        }
        under_way.join_all().await;
    }

    /// Takes events that are due. If a delivery does not end, its event is due again after twice the deadline.
    async fn claim(&self, max: usize) -> sqlx::Result<Vec<Event>> {
        let query = sqlx::query_as(
            "UPDATE provider.events SET attempts = attempts + 1, due_at = now() + $2 * interval '1 second'
             WHERE number IN (
                 SELECT number FROM provider.events WHERE copies > 0 AND due_at <= now()
                 ORDER BY due_at, number LIMIT $1 FOR UPDATE SKIP LOCKED)
             RETURNING number, body, attempts",
        );
        query.bind(max as i64).bind((2 * DEADLINE).as_secs_f64()).fetch_all(&self.pool).await
    }

    async fn deliver(self, event: Event) {
        let kept = match tokio::time::timeout(DEADLINE, self.send(&event.body)).await {
            Ok(Ok(())) => self.acknowledged(&event).await,
            Ok(Err(reason)) => self.failed(&event, &reason).await,
            Err(_) => self.failed(&event, "no answer in time").await,
        };
        if let Err(error) = kept {
            tracing::warn!(%error, "the result of a delivery could not be kept: it is repeated later");
        }
    }

    async fn send(&self, body: &str) -> Result<(), String> {
        let request = Request::post(self.receiver.0.clone())
            .header("content-type", "application/json")
            .header("payment-signature", self.secret.sign(Utc::now().timestamp(), body))
            .body(Full::from(body.to_owned()))
            .map_err(|error| error.to_string())?;
        let answer = self.client.request(request).await.map_err(|error| error.to_string())?;
        if answer.status().is_success() { Ok(()) } else { Err(answer.status().to_string()) }
    }

    async fn acknowledged(&self, event: &Event) -> sqlx::Result<()> {
        let query = "UPDATE provider.events SET copies = copies - 1, attempts = 0, due_at = now() WHERE number = $1";
        sqlx::query(query).bind(event.number).execute(&self.pool).await.map(drop)
    }

    async fn failed(&self, event: &Event, reason: &str) -> sqlx::Result<()> {
        if event.attempts == WARNED_ATTEMPT {
            tracing::warn!(reason, event = event.number, "a webhook is not acknowledged, and is repeated until it is");
        }
        let query = "UPDATE provider.events SET due_at = now() + $2 * interval '1 second' WHERE number = $1";
        let pause = pause_after(event.attempts).as_secs_f64();
        sqlx::query(query).bind(event.number).bind(pause).execute(&self.pool).await.map(drop)
    }
}

/// Returns the pause after this failed attempt; the first one is 1.
fn pause_after(attempt: i32) -> Duration {
    let doublings = attempt.saturating_sub(1).clamp(0, 16).unsigned_abs();
    (FIRST_PAUSE * 2_u32.pow(doublings)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_minute() {
        let pauses: Vec<_> = (1..=11).map(|attempt| pause_after(attempt).as_millis()).collect();
        assert_eq!(pauses, [200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200, 60_000, 60_000]);
        assert_eq!(pause_after(i32::MAX), LONGEST_PAUSE);
    }

    #[test]
    fn a_receiver_is_an_http_url() {
        assert!(Receiver::from_str("http://127.0.0.1:8080/payments/webhook").is_ok());
        for wrong in ["", "/payments/webhook", "127.0.0.1:8080", "https://shop/hook", "ftp://shop/"] {
            assert!(Receiver::from_str(wrong).is_err(), "{wrong}");
        }
    }
}
