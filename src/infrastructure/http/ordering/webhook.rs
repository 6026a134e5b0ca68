//! `POST /payments/webhook`: events of the payment provider.

use chrono::Utc;
use hyper::Method;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::Required;

use crate::domain::payment::{EventId, IntentId};
use crate::infrastructure::http::platform::openapi::schema;
use crate::infrastructure::http::platform::policy::{Accepts, Class, Load, OnTimeout};
use crate::infrastructure::http::platform::store_failure::while_selling;
use crate::infrastructure::http::platform::{
    Answer, ApiRequest, Context, Description, Endpoint, FieldErrors, Policy, Problem, ProblemCode, answer, query,
};
use crate::infrastructure::payment;

use super::ORDERING;

const SIGNATURE: &str = "payment-signature";

const OUTCOME_UNKNOWN: &str = "It is not known whether the event was committed. Send it again: it counts once.";

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::POST,
    path: "/payments/webhook",
    policy: Policy {
        accepts: Accepts::Json,
        // The provider sends all events from one address.
        is_rate_limited: false,
        load: Load::Bounded(Class::Webhook, OnTimeout::OutcomeUnknown(OUTCOME_UNKNOWN)),
        ..Policy::SHOPPING
    },
    describe,
    handler: |context, request| Box::pin(post(context, request)),
};

fn describe() -> Description {
    let description = "For the payment provider: `Payment-Signature: t=<seconds>,v1=<HMAC-SHA256 of \"t.body\">`.";
    let signature = schema::text_of(1, 200).pattern(Some("^t=[0-9]+,v1=[0-9a-f]{64}$"));
    Description::new(ORDERING, "tellPaymentEvent", "Tell an event of a payment", description)
        .examples(include_str!("webhook.json"))
        .required_header("Payment-Signature", signature, "The signature of the event, at most five minutes old")
        .body::<PaymentEvent>(Required::True)
        .answer::<Received>(200, "The event is committed, now or before")
        .problems([ProblemCode::InvalidRequest])
}

/// An event of the payment provider. Other members are ignored.
#[derive(Deserialize, ToSchema)]
struct PaymentEvent {
    #[schema(value_type = EventId)]
    id: String,
    payment_intent: Intent,
}

/// The intent that an event is about.
#[derive(Deserialize, ToSchema)]
#[schema(as = PaymentIntent)]
struct Intent {
    #[schema(value_type = IntentId)]
    id: String,
    status: String,
}

/// The answer to an event.
#[derive(Serialize, ToSchema)]
#[schema(as = PaymentEventReceived)]
struct Received {
    received: bool,
}

async fn post(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let [] = query::read(request.query(), [])?;
    check_signature(context, request)?;
    let event: PaymentEvent = request.required_json()?;
    let mut errors = FieldErrors::default();
    let id: Option<EventId> = errors.take("id", event.id.parse());
    let intent: Option<IntentId> = errors.take("payment_intent.id", event.payment_intent.id.parse());
    let (Some(id), Some(intent)) = (id, intent) else { return Err(errors.into_problem()) };
    if let Some(found) = payment::state(&event.payment_intent.status) {
        let told = context.payments.told(&id, &intent, found).await;
        told.map_err(|error| while_selling(error, OUTCOME_UNKNOWN))?;
    }
    Ok(answer::ok(&Received { received: true }))
}

/// Checks the signature of the bytes as they came. Nothing that is not signed is parsed.
fn check_signature(context: &Context, request: &ApiRequest) -> Result<(), Problem> {
    let unsigned = |message: &str| FieldErrors::one("Payment-Signature", message);
    let secret = context.webhook_secret.as_ref().ok_or_else(|| unsigned("is not expected: there is no provider"))?;
    let header = request.head.headers.get(SIGNATURE).and_then(|header| header.to_str().ok());
    let header = header.ok_or_else(|| unsigned("is required"))?;
    secret.check(header, &request.body, Utc::now().timestamp()).map_err(|error| unsigned(&error.to_string()))
}
