//! `POST /api/purchase`: one item, without a cart.

use hyper::HeaderMap;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::application::sale::{buy_now::BuyNowError, purchase::PurchaseOutcome};
use crate::domain::sale::{BuyNowRefusal, ItemRef, Quantity};
use crate::domain::shared::{RequestId, UserId};
use crate::infrastructure::metrics::{self, PurchaseKind};

use super::answer::{self, Answer};
use super::checkout::{ended, not_started, sale_not_found, user_limit_reached};
use super::code::ProblemCode;
use super::faults::FieldErrors;
use super::front::Front;
use super::json;
use super::problem::Problem;
use super::purchase::{outcome, replayed};
use super::query;
use super::receipt::ReceiptBody;
use super::request::ApiRequest;
use super::store_failure::while_selling;

/// What a buyer is told whose purchase may have happened.
pub const ASK_AGAIN: &str = "Whether it was bought is not known. Ask again with the same request id: it buys once, \
                             however often it is asked.";

const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// Units of one item to buy.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BuyNowRequest)]
pub struct Body {
    /// Names the request among those of its user; required unless Idempotency-Key does.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(nullable = false)]
    request_id: Option<RequestId>,
    user_id: UserId,
    #[serde(deserialize_with = "json::text")]
    item_id: ItemRef,
    quantity: Quantity,
}

/// How the caller named the request, which decides how a repetition is answered.
enum Named {
    /// In the body: a repetition is a conflict, and shows the first receipt.
    InBody(RequestId),
    /// In the header: a repetition is answered as the first time.
    InHeader(RequestId),
}

/// Buys units of one item.
pub async fn post(front: &Front, asked: &ApiRequest) -> Result<Answer, Problem> {
    let [] = query::read(asked.query(), [])?;
    let mut body: Body = asked.required_json()?;
    let named = named(body.request_id.take(), &asked.head.headers)?;
    front.rates.check_user(&body.user_id)?;
    let result = buy(front, &body, &named).await;
    metrics::purchase(PurchaseKind::BuyNow, outcome(&result));
    match (result?, named) {
        (PurchaseOutcome::Durable { receipt, replayed: false, waited }, _) => {
            metrics::acknowledged(receipt.units, waited);
            Ok(answer::ok(&ReceiptBody::of_item(receipt)))
        }
        (PurchaseOutcome::Durable { receipt, replayed: true, .. }, Named::InHeader(_)) => {
            Ok(replayed(answer::ok(&ReceiptBody::of_item(receipt))))
        }
        (PurchaseOutcome::Durable { receipt, replayed: true, .. }, Named::InBody(_)) => {
            let detail = "This request has bought already, as `original` shows. To buy again, name it differently.";
            Err(Problem::new(ProblemCode::DuplicateRequest, detail).original(receipt))
        }
        (PurchaseOutcome::Confirming(code), _) => Ok(answer::confirming(code)),
    }
}

async fn buy(front: &Front, body: &Body, named: &Named) -> Result<PurchaseOutcome, Problem> {
    let (Named::InBody(request) | Named::InHeader(request)) = named;
    let bought = front.shop.buy_now(&body.user_id, request, body.item_id, body.quantity).await;
    bought.map_err(|error| match error {
        BuyNowError::SaleNotFound => sale_not_found(),
        BuyNowError::Refused(_, refusal) => refused(refusal),
        BuyNowError::Failed(error) => while_selling(error, ASK_AGAIN),
    })
}

fn named(in_body: Option<RequestId>, headers: &HeaderMap) -> Result<Named, Problem> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    match (in_body, keys.next()) {
        (Some(request), None) => Ok(Named::InBody(request)),
        (None, None) => Err(FieldErrors::one("request_id", "is required, here or as the header Idempotency-Key")),
        (Some(_), Some(_)) => {
            Err(FieldErrors::one("request_id", "is given here and as Idempotency-Key: give one of them"))
        }
        (None, Some(_)) if keys.next().is_some() => Err(FieldErrors::one(IDEMPOTENCY_KEY, "is given twice")),
        (None, Some(key)) => {
            let mut faults = FieldErrors::default();
            // Bytes that are no ASCII become an empty text, which names nothing.
            let request = faults.parse(IDEMPOTENCY_KEY, Some(key.to_str().unwrap_or_default()));
            request.map(Named::InHeader).ok_or_else(|| faults.into_problem())
        }
    }
}

fn refused(refusal: BuyNowRefusal) -> Problem {
    match refusal {
        BuyNowRefusal::NotStarted => not_started(),
        BuyNowRefusal::Ended => ended(),
        BuyNowRefusal::ItemNotFound => {
            Problem::new(ProblemCode::ItemNotFound, "The sale has no such item. GET /sales/{id}/items lists them.")
        }
        BuyNowRefusal::SoldOut => Problem::new(
            ProblemCode::SoldOut,
            "Too few units of the item are left. Nothing was taken: choose another item.",
        ),
        BuyNowRefusal::UserLimitReached => user_limit_reached(),
        BuyNowRefusal::RequestMismatch => {
            let detail = "A request of this name has bought another item or quantity. Name a new request differently.";
            Problem::new(ProblemCode::RequestMismatch, detail)
        }
    }
}
