//! The JSON of a waiting room.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::application::admission::RoomView;
use crate::domain::admission::Phase;
use crate::domain::shared::SaleId;
use crate::infrastructure::http::platform::timestamp::as_milliseconds;
use crate::infrastructure::http::platform::{Problem, ProblemCode, etag};

/// A waiting room.
#[derive(Serialize, ToSchema)]
#[schema(as = Queue)]
pub struct QueueBody {
    sale_id: SaleId,
    phase: Phase,
    /// SHA-256 of the secret, in hexadecimal digits.
    commitment: String,
    /// The secret from which all places follow; absent before the draw.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    secret: Option<String>,
    /// Users whose places are drawn; absent before the draw.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    entrants: Option<u64>,
    /// Users who have joined.
    joined: u64,
    /// Places that were called: 1 to this one.
    called: u64,
    /// Places that are called in a second at most.
    rate: u32,
    /// The words of the operator for all who wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    message: Option<String>,
    #[serde(serialize_with = "as_milliseconds")]
    starts_at: DateTime<Utc>,
    #[serde(serialize_with = "as_milliseconds")]
    server_time: DateTime<Utc>,
    /// Time after which to ask again.
    poll_after_ms: u64,
}

impl QueueBody {
    /// The room at this time.
    pub fn new(view: &RoomView, now: DateTime<Utc>) -> Self {
        let state = &view.state;
        QueueBody {
            sale_id: view.sale,
            phase: view.phase,
            commitment: state.secret.commitment(),
            secret: state.drawn.map(|_| state.secret.to_string()),
            entrants: state.drawn,
            joined: state.entrants,
            called: state.called,
            rate: state.rate,
            message: state.message.clone(),
            starts_at: view.starts_at,
            server_time: now,
            poll_after_ms: milliseconds(view.poll_after(None, now)),
        }
    }
}

/// Returns the tag of a room, which changes with everything but the time.
pub fn tag(view: &RoomView) -> String {
    let state = &view.state;
    let (entrants, drawn, called, rate) = (state.entrants, state.drawn, state.called, state.rate);
    let text = format!("{} {:?} {entrants} {drawn:?} {called} {rate} {:?}", view.sale, view.phase, state.message);
    etag::of(text.as_bytes())
}

/// Returns a pause in milliseconds.
pub fn milliseconds(pause: Duration) -> u64 {
    pause.as_millis() as u64
}

/// The sale has no waiting room, or no sale has one at the moment.
pub fn queue_not_found() -> Problem {
    let detail =
        "Buy without a pass: the sale has no waiting room. Without sale_id, no hourly sale has one at the moment.";
    Problem::new(ProblemCode::QueueNotFound, detail)
}
