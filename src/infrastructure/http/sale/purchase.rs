//! `POST /purchase`: buys a cart.

use hyper::Method;
use serde::Deserialize;
use utoipa::openapi::Required;
use utoipa::{PartialSchema, ToSchema};

use crate::application::sale::purchase::{PurchaseError, PurchaseOutcome};
use crate::domain::sale::PurchaseRefusal;
use crate::domain::shared::{CheckoutCode, Claim, SaleId};
use crate::infrastructure::http::platform::admission::{Gate, PASS, admission_required};
use crate::infrastructure::http::platform::openapi::schema::text;
use crate::infrastructure::http::platform::policy::{Accepts, Class, Load, OnTimeout};
use crate::infrastructure::http::platform::store_failure::while_selling;
use crate::infrastructure::http::platform::{
    Answer, ApiRequest, Context, Description, Endpoint, FieldErrors, Policy, Problem, ProblemCode, json, query,
};

use super::SHOPPING;
use super::metrics::{self, PurchaseKind};
use super::problems;
use super::purchase_answer::{self, bought, confirming, outcome};
use super::receipt_body::PurchaseBody;

/// The detail of a purchase whose outcome is unknown.
pub const OUTCOME_UNKNOWN: &str = "It is not known whether the cart was bought. Send the request again with the same code: a code \
                               buys only once.";

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::POST,
    path: "/purchase",
    policy: Policy {
        accepts: Accepts::Json,
        load: Load::Bounded(Class::Purchase, OnTimeout::OutcomeUnknown(OUTCOME_UNKNOWN)),
        ..Policy::PERSONAL
    },
    describe,
    handler: |context, request| Box::pin(post(context, request)),
};

fn describe() -> Description {
    let description = "Buys the whole cart, or with `partial` the units that are left. A code buys only once: a repeated \
                       request gets the first receipt. After a problem with `\"outcome\": \"unknown\"`, send the \
                       request again with the same code.";
    let described = Description::new(SHOPPING, "buyCart", "Buy a cart", description)
        .examples(include_str!("purchase.json"))
        .query::<CheckoutCode>("code", "The code of the cart. Required here or in the body")
        .query_of("partial", bool::schema(), "`true` to buy the rest if some of the cart is sold")
        .request_header(PASS, text(), "The pass of a sale with a waiting room, unless the cookie `queue-pass` has it")
        .body::<PurchaseRequest>(Required::False)
        .problems([
            ProblemCode::InvalidRequest,
            ProblemCode::AdmissionRequired,
            ProblemCode::CheckoutNotFound,
            ProblemCode::CartEmpty,
            ProblemCode::UserLimitReached,
            ProblemCode::SaleNotStarted,
            ProblemCode::SaleEnded,
        ]);
    let described = purchase_answer::describe_headers(purchase_answer::describe(described));
    let described = problems::describe_unavailable(described, ProblemCode::ItemsSold);
    problems::describe_available(described, ProblemCode::ItemsSold)
}

/// A cart to buy. A value in the body must not be in the query too.
#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields)]
struct PurchaseRequest {
    #[serde(default, deserialize_with = "json::given")]
    #[schema(nullable = false)]
    code: Option<CheckoutCode>,
    /// `true` to buy the rest if some of the cart is sold.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(nullable = false, default = false)]
    partial: Option<bool>,
}

async fn post(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let result = purchase(context, request).await;
    count(&result);
    Ok(match result? {
        PurchaseOutcome::Durable { receipt, replayed, .. } => {
            let status = context.orders.status_of(&receipt, !replayed).await;
            bought(&PurchaseBody::of_cart(receipt), replayed, status)
        }
        PurchaseOutcome::Confirming(code) => confirming(code),
    })
}

/// Counts the outcome of a purchase.
pub fn count(result: &Result<PurchaseOutcome, Problem>) {
    metrics::purchase(PurchaseKind::Cart, outcome(result));
    if let Ok(PurchaseOutcome::Durable { receipt, replayed: false, waited }) = result {
        metrics::acknowledged(receipt.units, *waited);
    }
}

const UNDONE: &str = "The purchase could not be recorded, so it was undone. Check out again in a second.";

async fn purchase(context: &Context, request: &ApiRequest) -> Result<PurchaseOutcome, Problem> {
    let (code, partial) = read(request)?;
    let claim = context.claim(request, code)?;
    let outcome = buy(context, request, claim, partial).await.map_err(problem)?.ok_or_else(admission_required)?;
    if let PurchaseOutcome::Durable { receipt, .. } = &outcome {
        context.count_owner(request, &receipt.user_id);
    }
    Ok(outcome)
}

/// Buys a cart, or returns what was bought with its code before. `None` for a request without a pass that has bought nothing in
/// a sale with a waiting room.
pub async fn buy(
    context: &Context,
    request: &ApiRequest,
    claim: Claim,
    partial: bool,
) -> Result<Option<PurchaseOutcome>, PurchaseError> {
    let pass = match context.gate(request, claim.code.sale, claim.user.as_ref()) {
        Gate::Open => return context.shop.purchase(claim, partial).await.map(Some),
        Gate::Closed => return Ok(context.shop.bought_before(claim).await?),
        Gate::Passed(pass) => pass,
    };
    let by_owner = Claim { user: Some(pass.user.clone()), ..claim.clone() };
    match context.shop.purchase(by_owner, partial).await {
        Ok(outcome) => {
            context.note_purchase(&pass);
            Ok(Some(outcome))
        }
        // There is no such cart, or it is somebody else's.
        Err(PurchaseError::Refused(_, PurchaseRefusal::CheckoutNotFound)) => {
            Ok(context.shop.bought_before(claim).await?)
        }
        Err(error) => Err(error),
    }
}

/// Turns an error into its problem.
pub fn problem(error: PurchaseError) -> Problem {
    match error {
        PurchaseError::Refused(sale, refusal) => refused(sale, refusal),
        PurchaseError::Undone => Problem::unavailable(UNDONE),
        PurchaseError::Failed(error) => while_selling(error, OUTCOME_UNKNOWN),
    }
}

/// Reads the code and `partial` from the query or the body.
fn read(request: &ApiRequest) -> Result<(CheckoutCode, bool), Problem> {
    let [code, partial] = query::read(request.query(), ["code", "partial"])?;
    let body: PurchaseRequest = request.json()?.unwrap_or_default();
    let mut errors = FieldErrors::default();
    let code = errors.parse("code", code);
    let partial = partial.and_then(|text| errors.take("partial", query::flag(&text)));
    let code = errors.either("code", code, body.code);
    let partial = errors.either("partial", partial, body.partial);
    let Some(code) = code else {
        errors.missing("code");
        return Err(errors.into_problem());
    };
    errors.check().map(|()| (code, partial.unwrap_or(false)))
}

fn refused(sale: SaleId, refusal: PurchaseRefusal) -> Problem {
    match refusal {
        PurchaseRefusal::CheckoutNotFound => problems::cart_not_found(),
        PurchaseRefusal::NotStarted => problems::sale_not_started(),
        PurchaseRefusal::Ended => problems::sale_ended(),
        PurchaseRefusal::UserLimitReached => problems::user_limit_reached(),
        PurchaseRefusal::CartEmpty => {
            Problem::new(ProblemCode::CartEmpty, "Put items into the cart with POST /checkout first.")
        }
        PurchaseRefusal::ItemsSold { unavailable, available } => {
            let detail = match available.is_empty() {
                true => "Nothing was bought: all items of the cart are sold and were removed from it. Add other items.",
                false => {
                    "Nothing was bought. The items in `unavailable` are sold and were removed from the cart. Send the \
                     request again with the same code to buy the items in `available`."
                }
            };
            let problem = Problem::new(ProblemCode::ItemsSold, detail);
            problems::with_available(problems::with_unavailable(problem, sale, unavailable), sale, available)
        }
    }
}
