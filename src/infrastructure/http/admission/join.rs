//! `POST /queue`: joins the waiting room of a sale.

use chrono::{DateTime, Utc};
use hyper::Method;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::Required;

use crate::application::admission::{JoinError, Joined};
use crate::domain::admission::Phase;
use crate::domain::shared::{SaleId, UserId};
use crate::infrastructure::http::platform::admission::{TICKET, TICKET_LIFE};
use crate::infrastructure::http::platform::policy::{Accepts, Class, Load, OnTimeout};
use crate::infrastructure::http::platform::timestamp::as_milliseconds;
use crate::infrastructure::http::platform::{
    Answer, ApiRequest, Context, Description, Endpoint, FieldErrors, Policy, Problem, ProblemCode, answer, json, query,
};
use crate::infrastructure::http::sale::problems::{sale_ended, sale_not_found};
use crate::infrastructure::tokens::Ticket;

use super::QUEUE;
use super::metrics::JOINS;
use super::queue_body::queue_not_found;

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::POST,
    path: "/queue",
    policy: Policy {
        accepts: Accepts::Json,
        load: Load::Bounded(Class::Queue, OnTimeout::TryAgain),
        ..Policy::PERSONAL
    },
    describe,
    handler: |context, request| Box::pin(post(context, request)),
};

fn describe() -> Description {
    let description = "Gives a user a place in the waiting room of a sale, with a ticket. A user has one place: a repeated \
                       request gets the same ticket. Those who join before the sale starts are drawn at its start; the \
                       others follow in the order of their joining.";
    Description::new(QUEUE, "joinQueue", "Join the waiting room of a sale", description)
        .examples(include_str!("join.json"))
        .body::<JoinRequest>(Required::False)
        .answer::<JoinedBody>(200, "The ticket")
        .header(200, "Set-Cookie", "The cookie `queue-ticket` with the ticket")
        .names_user()
        .problems([
            ProblemCode::InvalidRequest,
            ProblemCode::SaleNotFound,
            ProblemCode::QueueNotFound,
            ProblemCode::SaleNotStarted,
            ProblemCode::SaleEnded,
        ])
}

/// A user who joins.
#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields)]
struct JoinRequest {
    /// Required, unless a token names the user.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(nullable = false)]
    user_id: Option<UserId>,
    /// By default the hourly sale that is open, or the next one once joining is open.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(nullable = false)]
    sale_id: Option<SaleId>,
}

/// A place in a waiting room.
#[derive(Serialize, ToSchema)]
#[schema(as = QueueTicket)]
struct JoinedBody {
    sale_id: SaleId,
    /// To be sent as `Queue-Ticket`.
    ticket: String,
    /// The number of the user in the order of joining.
    join_number: u64,
    phase: Phase,
    #[serde(serialize_with = "as_milliseconds")]
    starts_at: DateTime<Utc>,
    /// SHA-256 of the secret from which the places will follow, in hexadecimal digits.
    commitment: String,
    #[serde(serialize_with = "as_milliseconds")]
    server_time: DateTime<Utc>,
}

async fn post(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let [] = query::read(request.query(), [])?;
    let body: JoinRequest = request.json()?.unwrap_or_default();
    let user = request.about(body.user_id)?.ok_or_else(|| FieldErrors::one("user_id", "is required"))?;
    context.rates.check_user(&request.counted, &user)?;
    let sale = body.sale_id.or_else(|| context.rooms.current()).ok_or_else(queue_not_found)?;
    let (joined, ticket) = join(context, user, sale).await?;
    let mut answer = answer::ok(&JoinedBody {
        sale_id: sale,
        ticket: ticket.clone(),
        join_number: joined.join_number,
        phase: joined.view.phase,
        starts_at: joined.view.starts_at,
        commitment: joined.view.state.secret.commitment(),
        server_time: context.shop.clock.now(),
    });
    context.set_queue_cookie(request, &mut answer, TICKET, &ticket, TICKET_LIFE);
    Ok(answer)
}

/// Lets a user join the waiting room of a sale, and returns the ticket.
pub async fn join(context: &Context, user: UserId, sale: SaleId) -> Result<(Joined, String), Problem> {
    let keys = context.room_keys()?;
    let joined = context.rooms.join(user.clone(), sale).await.map_err(problem)?;
    let ticket = Ticket { user, sale, join_number: joined.join_number };
    JOINS.increment(1);
    Ok((joined, keys.sign_ticket(&ticket).unwrap_or_default()))
}

fn problem(error: JoinError) -> Problem {
    match error {
        JoinError::SaleNotFound => sale_not_found(),
        JoinError::NoRoom => queue_not_found(),
        JoinError::Ended => sale_ended(),
        JoinError::NotOpen(opens_at) => {
            let detail = format!("Join from {} on.", opens_at.format("%Y-%m-%dT%H:%M:%S%.3fZ"));
            Problem::new(ProblemCode::SaleNotStarted, detail)
        }
        JoinError::Failed(error) => error.into(),
    }
}
