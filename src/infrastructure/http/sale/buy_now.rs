//! `POST /api/purchase`: buys units of one item without a cart.

use hyper::{HeaderMap, Method};
use serde::Deserialize;
use utoipa::openapi::Required;
use utoipa::{PartialSchema, ToSchema};

use crate::application::sale::{buy_now::BuyNowError, purchase::PurchaseOutcome};
use crate::domain::sale::{BuyNowRefusal, ItemRef, Quantity};
use crate::domain::shared::{RequestId, SaleId, UserId};
use crate::infrastructure::http::platform::admission::{Gate, PASS, admission_required};
use crate::infrastructure::http::platform::openapi::schema::{reference, text};
use crate::infrastructure::http::platform::policy::{Accepts, Class, Load, OnTimeout};
use crate::infrastructure::http::platform::store_failure::while_selling;
use crate::infrastructure::http::platform::{
    Answer, ApiRequest, Context, Description, Endpoint, FieldErrors, Policy, Problem, ProblemCode, json, query,
};
use crate::infrastructure::tokens::Pass;

use super::SHOPPING;
use super::metrics::{self, PurchaseKind};
use super::problems;
use super::purchase_answer::{self, bought, confirming, duplicate, outcome};
use super::receipt_body::{PurchaseBody, ReceiptBody};

/// The detail of a purchase whose outcome is unknown.
const OUTCOME_UNKNOWN: &str = "It is not known whether the item was bought. Send the request again with the same request id: a \
                               request id buys only once.";

const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::POST,
    path: "/api/purchase",
    policy: Policy {
        accepts: Accepts::Json,
        load: Load::Bounded(Class::Purchase, OnTimeout::OutcomeUnknown(OUTCOME_UNKNOWN)),
        ..Policy::PERSONAL
    },
    describe,
    handler: |context, request| Box::pin(post(context, request)),
};

fn describe() -> Description {
    let description = "Buys units of one item without a cart. The request has an id, either `request_id` or the header \
                       `Idempotency-Key`, and buys only once. A repeated request with `request_id` is \
                       `409 duplicate_request` with the first receipt; with `Idempotency-Key` it gets the first answer \
                       again. A refused request may be repeated with the same id.";
    let described = Description::new(SHOPPING, "buyNow", "Buy units of one item", description)
        .examples(include_str!("buy_now.json"))
        .request_header(IDEMPOTENCY_KEY, RequestId::schema(), "The id of the request, in place of `request_id`")
        .request_header(PASS, text(), "The pass of a sale with a waiting room, unless the cookie `queue-pass` has it")
        .body::<BuyNowRequest>(Required::True)
        .names_user()
        .problems([
            ProblemCode::InvalidRequest,
            ProblemCode::AdmissionRequired,
            ProblemCode::SaleNotFound,
            ProblemCode::ItemNotFound,
            ProblemCode::UserLimitReached,
            ProblemCode::SaleNotStarted,
            ProblemCode::SoldOut,
            ProblemCode::SaleEnded,
            ProblemCode::RequestMismatch,
        ])
        .problem_with(ProblemCode::DuplicateRequest, "original", reference::<ReceiptBody>());
    purchase_answer::describe_headers(purchase_answer::describe(described))
}

/// Units of one item to buy.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BuyNowRequest {
    /// The id of the request, unique for its user and sale. Required without the header Idempotency-Key.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(nullable = false)]
    request_id: Option<RequestId>,
    /// The buyer. Required, unless a token names the user.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(nullable = false)]
    user_id: Option<UserId>,
    #[serde(deserialize_with = "json::text")]
    item_id: ItemRef,
    quantity: Quantity,
}

/// The id of a request. Its place decides the answer to a repeated request.
enum Id {
    /// In the body: a repeated request is a conflict, and shows the first receipt.
    Body(RequestId),
    /// In the header: a repeated request gets the first answer.
    Header(RequestId),
}

async fn post(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let [] = query::read(request.query(), [])?;
    let mut body: BuyNowRequest = request.required_json()?;
    let user = request.about(body.user_id.take())?.ok_or_else(|| FieldErrors::one("user_id", "is required"))?;
    let id = request_id(body.request_id.take(), &request.head.headers)?;
    context.rates.check_user(&request.counted, &user)?;
    let result = buy(context, request, &user, &body, &id).await;
    metrics::purchase(PurchaseKind::BuyNow, outcome(&result));
    match result? {
        PurchaseOutcome::Durable { receipt, replayed, waited } => {
            if !replayed {
                metrics::acknowledged(receipt.units, waited);
            }
            let status = context.orders.status_of(&receipt, !replayed).await;
            match id {
                Id::Body(_) if replayed => Err(duplicate(&ReceiptBody::from(receipt), status)),
                _ => Ok(bought(&PurchaseBody::of_item(receipt), replayed, status)),
            }
        }
        PurchaseOutcome::Confirming(code) => Ok(confirming(code)),
    }
}

const UNDONE: &str = "The purchase could not be recorded, so it was undone. Send the request again in a second.";

async fn buy(
    context: &Context,
    request: &ApiRequest,
    user: &UserId,
    body: &BuyNowRequest,
    id: &Id,
) -> Result<PurchaseOutcome, Problem> {
    let (Id::Body(id) | Id::Header(id)) = id;
    let may_have_room = context.shop.sales.has_rooms();
    let sale = may_have_room.then(|| context.shop.named_item(body.item_id)).flatten().map(|item| item.sale);
    let gate = sale.map_or(Gate::Open, |sale| context.gate(request, sale, Some(user)));
    let (item, pass) = match gate {
        Gate::Open => (body.item_id, None),
        gate => admitted(context, gate, sale, user, body.item_id, id).await?,
    };
    let bought = context.shop.buy_now(user, id, item, body.quantity).await.map_err(problem)?;
    if let Some(pass) = pass {
        context.note_purchase(&pass);
    }
    Ok(bought)
}

/// Returns the item of a sale with a waiting room, by its id, and the pass to buy it. A request that has bought needs none.
async fn admitted(
    context: &Context,
    gate: Gate,
    sale: Option<SaleId>,
    user: &UserId,
    item: ItemRef,
    id: &RequestId,
) -> Result<(ItemRef, Option<Pass>), Problem> {
    let live = sale.and_then(|sale| context.shop.sales.live(sale)).ok_or_else(problems::sale_not_found)?;
    let requested = context.shop.requested_item(&live, item, user, id).await;
    let (item, has_bought) = requested.map_err(|error| while_selling(error, OUTCOME_UNKNOWN))?;
    match gate {
        Gate::Passed(pass) => Ok((ItemRef::Id(item), (!has_bought).then_some(pass))),
        _ if has_bought => Ok((ItemRef::Id(item), None)),
        _ => Err(admission_required()),
    }
}

fn problem(error: BuyNowError) -> Problem {
    match error {
        BuyNowError::SaleNotFound => problems::sale_not_found(),
        BuyNowError::Refused(_, refusal) => refused(refusal),
        BuyNowError::Undone => Problem::unavailable(UNDONE),
        BuyNowError::Failed(error) => while_selling(error, OUTCOME_UNKNOWN),
    }
}

fn request_id(in_body: Option<RequestId>, headers: &HeaderMap) -> Result<Id, Problem> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    match (in_body, keys.next()) {
        (Some(id), None) => Ok(Id::Body(id)),
        (None, None) => {
            Err(FieldErrors::one("request_id", "is required in the body, or as the header Idempotency-Key"))
        }
        (Some(_), Some(_)) => {
            Err(FieldErrors::one("request_id", "is in the body, and Idempotency-Key is a header: send one of them"))
        }
        (None, Some(_)) if keys.next().is_some() => Err(FieldErrors::one(IDEMPOTENCY_KEY, "is given twice")),
        (None, Some(key)) => {
            let mut errors = FieldErrors::default();
            // A header that is not ASCII becomes an empty text, which is no id.
            let id = errors.parse(IDEMPOTENCY_KEY, Some(key.to_str().unwrap_or_default()));
            id.map(Id::Header).ok_or_else(|| errors.into_problem())
        }
    }
}

fn refused(refusal: BuyNowRefusal) -> Problem {
    match refusal {
        BuyNowRefusal::NotStarted => problems::sale_not_started(),
        BuyNowRefusal::Ended => problems::sale_ended(),
        BuyNowRefusal::ItemNotFound => problems::unknown_item(),
        BuyNowRefusal::SoldOut => {
            let detail = "Too few units of the item are left. Nothing was bought. Choose another item.";
            Problem::new(ProblemCode::SoldOut, detail)
        }
        BuyNowRefusal::UserLimitReached => problems::user_limit_reached(),
        BuyNowRefusal::RequestMismatch => {
            let detail = "A request with this id bought another item or quantity. Use another request id.";
            Problem::new(ProblemCode::RequestMismatch, detail)
        }
    }
}
