//! `POST /session`: gives a visitor an identity.

use chrono::{DateTime, Utc};
use hyper::Method;
use hyper::header::SET_COOKIE;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::Required;

use crate::domain::shared::UserId;
use crate::infrastructure::http::platform::policy::{Accepts, Access};
use crate::infrastructure::http::platform::timestamp::as_milliseconds;
use crate::infrastructure::http::platform::{
    Answer, ApiRequest, Context, Description, Endpoint, Policy, Problem, ProblemCode, answer, query,
};

use super::IDENTITY;

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::POST,
    path: "/session",
    policy: Policy { access: Access::Visitor, accepts: Accepts::Json, ..Policy::CHECKOUT },
    describe,
    handler: |context, request| Box::pin(post(context, request)),
};

fn describe() -> Description {
    let description = "Returns the user of the request: that of its token or cookie, or a new guest, whom the cookie names \
                       from then on. A guest who comes back is prolonged.";
    Description::new(IDENTITY, "openSession", "Get an identity", description)
        .examples(include_str!("session.json"))
        .body::<SessionRequest>(Required::False)
        .answer::<SessionBody>(200, "The identity")
        .header(200, "Set-Cookie", "The cookie of a guest who is new or prolonged")
        .problems([ProblemCode::InvalidRequest, ProblemCode::ForeignOrigin])
}

/// A request for an identity, which has no fields.
#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields)]
struct SessionRequest {}

/// An identity.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
struct SessionBody {
    user_id: UserId,
    #[serde(serialize_with = "as_milliseconds")]
    expires_at: DateTime<Utc>,
}

async fn post(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let [] = query::read(request.query(), [])?;
    let SessionRequest {} = request.json()?.unwrap_or_default();
    let session = context.open_session(request)?;
    let mut answer = answer::ok(&SessionBody { user_id: session.user, expires_at: session.expires_at });
    if let Some(cookie) = session.cookie {
        answer.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(answer)
}
