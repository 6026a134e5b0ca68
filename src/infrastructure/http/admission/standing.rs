//! `GET /queue/me`: shows the place of a user, and once it is called, the pass.

use std::time::Duration;

use chrono::{DateTime, Utc};
use hyper::Method;
use serde::Serialize;
use utoipa::ToSchema;

use crate::application::admission::Turn;
use crate::domain::admission::{Phase, Wait};
use crate::infrastructure::http::platform::admission::TICKET;
use crate::infrastructure::http::platform::openapi::schema::text;
use crate::infrastructure::http::platform::policy::{Class, Load, OnTimeout};
use crate::infrastructure::http::platform::timestamp::as_milliseconds_if_set;
use crate::infrastructure::http::platform::{
    Answer, ApiRequest, Context, Description, Endpoint, Policy, Problem, ProblemCode, answer, query,
};
use crate::infrastructure::tokens::{Pass, Ticket};

use super::QUEUE;
use super::queue_body::{milliseconds, queue_not_found};

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/queue/me",
    policy: Policy { load: Load::Bounded(Class::Queue, OnTimeout::TryAgain), ..Policy::SHOPPING },
    describe,
    handler: |context, request| Box::pin(get(context, request)),
};

/// The share of a pause by which it may differ, so that those who wait do not ask all at once.
const JITTER: f64 = 0.2;

fn describe() -> Description {
    let description = "Shows the place of the user of a ticket. Once the place is called, the answer has a pass, which \
                       checkouts and purchases need. It must be taken within 30 s; later there is a new one as soon as one \
                       is free.";
    Description::new(QUEUE, "getPlace", "Show a place, and take the pass", description)
        .examples(include_str!("standing.json"))
        .request_header(TICKET, text(), "The ticket. Required here or in the cookie `queue-ticket`")
        .answer::<StandingBody>(200, "The place")
        .header(200, "Set-Cookie", "The cookie `queue-pass` with the pass")
        .problems([ProblemCode::InvalidRequest, ProblemCode::QueueNotFound])
}

/// A place in a waiting room.
#[derive(Serialize, ToSchema)]
#[schema(as = QueuePlace)]
struct StandingBody {
    phase: Phase,
    /// Absent before the draw.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    place: Option<u64>,
    /// Places that are called before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    ahead: Option<u64>,
    /// Absent while no place is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    wait_seconds: Option<WaitBody>,
    /// To be sent as `Queue-Pass`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pass: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_milliseconds_if_set")]
    #[schema(nullable = false)]
    pass_expires_at: Option<DateTime<Utc>>,
    /// Time after which to ask again.
    poll_after_ms: u64,
}

/// A range for a wait.
#[derive(Serialize, ToSchema)]
#[schema(as = QueueWait)]
struct WaitBody {
    low: u64,
    high: u64,
}

impl From<Wait> for WaitBody {
    fn from(wait: Wait) -> Self {
        WaitBody { low: wait.low.as_secs(), high: wait.high.as_secs() }
    }
}

async fn get(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let [] = query::read(request.query(), [])?;
    let Ticket { user, sale, join_number } = context.ticket(request)?;
    context.rates.check_user(&request.counted, &user)?;
    let standing = context.rooms.standing(sale, join_number).await?.ok_or_else(queue_not_found)?;
    let mut body = StandingBody {
        phase: standing.phase,
        place: None,
        ahead: None,
        wait_seconds: None,
        pass: None,
        pass_expires_at: None,
        poll_after_ms: milliseconds(with_jitter(standing.poll_after)),
    };
    match standing.turn {
        Turn::Undrawn => Ok(answer::ok(&body)),
        Turn::Waiting { place, ahead, wait } => {
            (body.place, body.ahead, body.wait_seconds) = (Some(place), Some(ahead), wait.map(WaitBody::from));
            Ok(answer::ok(&body))
        }
        Turn::Called { place, pass_expires_at } => {
            let pass = Pass { user, sale, place, expires_at: pass_expires_at };
            let token = context.sign_pass(&pass)?;
            (body.place, body.ahead, body.pass) = (Some(place), Some(0), Some(token.clone()));
            body.pass_expires_at = Some(pass_expires_at);
            let mut answer = answer::ok(&body);
            context.set_pass_cookie(request, &mut answer, &token, pass_expires_at);
            Ok(answer)
        }
    }
}

/// Returns a pause that differs a little from one client to the next.
pub fn with_jitter(pause: Duration) -> Duration {
    pause.mul_f64(1.0 + rand::random_range(0.0..JITTER))
}
