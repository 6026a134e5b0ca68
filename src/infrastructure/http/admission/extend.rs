//! `POST /queue/extend`: prolongs a pass.

use chrono::{DateTime, Utc};
use hyper::Method;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::shared::SaleId;
use crate::domain::shared::limits::PASS_EXTENSIONS;
use crate::infrastructure::http::platform::admission::{PASS, admission_required};
use crate::infrastructure::http::platform::openapi::schema::text;
use crate::infrastructure::http::platform::policy::{Class, Load, OnTimeout};
use crate::infrastructure::http::platform::timestamp::as_milliseconds;
use crate::infrastructure::http::platform::{
    Answer, ApiRequest, Context, Description, Endpoint, Policy, Problem, ProblemCode, answer, query,
};
use crate::infrastructure::tokens::Pass;

use super::QUEUE;

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::POST,
    path: "/queue/extend",
    policy: Policy { load: Load::Bounded(Class::Queue, OnTimeout::TryAgain), ..Policy::SHOPPING },
    describe,
    handler: |context, request| Box::pin(post(context, request)),
};

fn describe() -> Description {
    let description = format!("Returns a pass that is valid for longer, at most {PASS_EXTENSIONS} times.");
    Description::new(QUEUE, "extendPass", "Prolong a pass", &description)
        .examples(include_str!("extend.json"))
        .request_header(PASS, text(), "The pass. Required here or in the cookie `queue-pass`")
        .answer::<PassBody>(200, "The new pass")
        .header(200, "Set-Cookie", "The cookie `queue-pass` with the new pass")
        .problems([ProblemCode::InvalidRequest, ProblemCode::AdmissionRequired, ProblemCode::PassNotExtendable])
}

/// A pass.
#[derive(Serialize, ToSchema)]
#[schema(as = QueuePass)]
struct PassBody {
    sale_id: SaleId,
    /// To be sent as `Queue-Pass`.
    pass: String,
    #[serde(serialize_with = "as_milliseconds")]
    pass_expires_at: DateTime<Utc>,
}

async fn post(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let [] = query::read(request.query(), [])?;
    let (pass, token) = prolong(context, request).await?;
    let expires_at = pass.expires_at;
    let mut answer = answer::ok(&PassBody { sale_id: pass.sale, pass: token.clone(), pass_expires_at: expires_at });
    context.set_pass_cookie(request, &mut answer, &token, expires_at);
    Ok(answer)
}

/// Prolongs the pass of a request. Returns it with its token.
pub async fn prolong(context: &Context, request: &ApiRequest) -> Result<(Pass, String), Problem> {
    let pass = context.pass(request).ok_or_else(admission_required)?;
    context.rates.check_user(&request.counted, &pass.user)?;
    let extended = context.rooms.extend(pass.sale, pass.place).await?;
    let expires_at = extended.ok_or_else(|| {
        let detail = "Buy before the pass expires. Afterwards, GET /queue/me gives a new one once nobody waits.";
        Problem::new(ProblemCode::PassNotExtendable, detail)
    })?;
    let pass = Pass { expires_at, ..pass };
    let token = context.sign_pass(&pass)?;
    Ok((pass, token))
}
