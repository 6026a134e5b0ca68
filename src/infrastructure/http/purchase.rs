//! `POST /purchase` and `GET /purchase/{code}`.

use hyper::header::HeaderValue;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::application::sale::purchase::{PurchaseError, PurchaseOutcome};
use crate::domain::sale::PurchaseRefusal;
use crate::domain::shared::{CheckoutCode, SaleId};
use crate::infrastructure::metrics::{self, Outcome, PurchaseKind};

use super::answer::{self, Answer, REPLAYED};
use super::cart;
use super::checkout::{ended, not_started, of_sale, user_limit_reached};
use super::code::ProblemCode;
use super::faults::{self, FieldErrors};
use super::front::Front;
use super::json;
use super::problem::Problem;
use super::query;
use super::receipt::ReceiptBody;
use super::request::ApiRequest;
use super::store_failure::while_selling;

/// What a buyer is told whose purchase may have happened.
pub const ASK_AGAIN: &str = "Whether it was bought is not known. Ask again with the same code: it buys once, \
                             however often it is asked.";

/// A cart to buy; what stands here must not stand in the query, too.
#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PurchaseRequest)]
pub struct Body {
    #[serde(default, deserialize_with = "json::given")]
    #[schema(nullable = false)]
    code: Option<CheckoutCode>,
    /// Whether to buy the rest where some of it is sold.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(nullable = false, default = false)]
    partial: Option<bool>,
}

/// Buys a cart.
pub async fn post(front: &Front, asked: &ApiRequest) -> Result<Answer, Problem> {
    let result = purchase(front, asked).await;
    metrics::purchase(PurchaseKind::Cart, outcome(&result));
    Ok(match result? {
        PurchaseOutcome::Durable { receipt, replayed: false, waited } => {
            metrics::acknowledged(receipt.units, waited);
            answer::ok(&ReceiptBody::of_cart(receipt))
        }
        PurchaseOutcome::Durable { receipt, replayed: true, .. } => {
            replayed(answer::ok(&ReceiptBody::of_cart(receipt)))
        }
        PurchaseOutcome::Confirming(code) => answer::confirming(code),
    })
}

/// What a cart was bought for, if it was.
pub async fn get(front: &Front, asked: &ApiRequest) -> Result<Answer, Problem> {
    let code = asked.params.parse("code")?;
    let [] = query::read(asked.query(), [])?;
    match front.shop.receipt(code).await? {
        Some(PurchaseOutcome::Durable { receipt, .. }) => Ok(answer::ok(&ReceiptBody::of_cart(receipt))),
        Some(PurchaseOutcome::Confirming(code)) => Ok(answer::confirming(code)),
        None => {
            Err(Problem::new(ProblemCode::CheckoutNotFound, "Nothing was bought with this code. POST /purchase buys."))
        }
    }
}

/// An answer that was given before.
pub fn replayed(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    answer
}

/// What a purchase came to.
pub fn outcome(result: &Result<PurchaseOutcome, Problem>) -> Outcome {
    match result {
        Ok(PurchaseOutcome::Durable { replayed: false, .. }) => Outcome::Accepted,
        Ok(PurchaseOutcome::Durable { replayed: true, .. }) => Outcome::Replayed,
        Ok(PurchaseOutcome::Confirming(_)) => Outcome::Confirming,
        Err(problem) if problem.is_of_unknown_outcome() => Outcome::Unknown,
        Err(problem) => Outcome::Refused(problem.code()),
    }
}

async fn purchase(front: &Front, asked: &ApiRequest) -> Result<PurchaseOutcome, Problem> {
    let (code, partial) = wanted(asked)?;
    front.shop.purchase(code, partial).await.map_err(|error| match error {
        PurchaseError::Refused(sale, refusal) => refused(sale, refusal),
        PurchaseError::Failed(error) => while_selling(error, ASK_AGAIN),
    })
}

/// The code, and whether a part of the cart will do, from the query or from the body.
fn wanted(asked: &ApiRequest) -> Result<(CheckoutCode, bool), Problem> {
    let [code, partial] = query::read(asked.query(), ["code", "partial"])?;
    let body: Body = asked.json()?.unwrap_or_default();
    let mut faults = FieldErrors::default();
    let code = faults.parse("code", code);
    let partial = partial.and_then(|text| faults.take("partial", faults::flag(&text)));
    let code = faults.either("code", code, body.code);
    let partial = faults.either("partial", partial, body.partial);
    let Some(code) = code else {
        faults.missing("code");
        return Err(faults.into_problem());
    };
    faults.check().map(|()| (code, partial.unwrap_or(false)))
}

fn refused(sale: SaleId, refusal: PurchaseRefusal) -> Problem {
    match refusal {
        PurchaseRefusal::CheckoutNotFound => cart::not_found(),
        PurchaseRefusal::NotStarted => not_started(),
        PurchaseRefusal::Ended => ended(),
        PurchaseRefusal::UserLimitReached => user_limit_reached(),
        PurchaseRefusal::CartEmpty => {
            Problem::new(ProblemCode::CartEmpty, "The cart is empty. Put items into it with POST /checkout first.")
        }
        PurchaseRefusal::ItemsSold { unavailable, available } => {
            let detail = "Nothing was bought. The items in `unavailable` are gone and have left the cart: asking again \
                          with the same code buys those in `available`.";
            Problem::new(ProblemCode::ItemsSold, detail).sold(of_sale(sale, unavailable)).left(of_sale(sale, available))
        }
    }
}
