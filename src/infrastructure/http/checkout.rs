//! `POST /checkout`.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::application::sale::checkout::CheckoutError;
use crate::domain::sale::{CheckoutRefusal, ItemRef, Quantity};
use crate::domain::shared::{ItemId, Ordinal, SaleId, UserId};
use crate::infrastructure::metrics::{self, Outcome};

use super::answer::Answer;
use super::cart;
use super::code::ProblemCode;
use super::faults::{self, FieldErrors};
use super::front::Front;
use super::json::{self, Object};
use super::problem::Problem;
use super::query;
use super::request::ApiRequest;

/// Items of one request. More than a cart holds, so that a request for too many is answered as what it is.
const ITEMS_MAX: usize = 100;

/// Items for a cart; what stands here must not stand in the query, too.
#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CheckoutRequest)]
pub struct Body {
    #[serde(default, deserialize_with = "json::given")]
    #[schema(nullable = false)]
    user_id: Option<UserId>,
    /// All of them are added, or none.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(value_type = Vec<Line>, required = false, min_items = 1, max_items = 100)]
    items: Option<Vec<Object<Line>>>,
}

/// Units of one item that are wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CheckoutLine)]
struct Line {
    #[serde(deserialize_with = "json::text")]
    id: ItemRef,
    #[serde(default = "one")]
    #[schema(default = 1)]
    quantity: Quantity,
}

fn one() -> Quantity {
    Quantity::ONE
}

/// Puts items into the cart of a user: all of them, or none.
pub async fn post(front: &Front, asked: &ApiRequest) -> Result<Answer, Problem> {
    let result = checkout(front, asked).await;
    metrics::checkout(match &result {
        Ok(_) => Outcome::Accepted,
        Err(problem) => Outcome::Refused(problem.code()),
    });
    result
}

async fn checkout(front: &Front, asked: &ApiRequest) -> Result<Answer, Problem> {
    let (user, items) = wanted(asked)?;
    front.rates.check_user(&user)?;
    let open_cart = front.shop.checkout(&user, &items).await.map_err(problem)?;
    cart::checked_out(&open_cart)
}

/// The user and the items, from the query or from the body.
fn wanted(asked: &ApiRequest) -> Result<(UserId, Vec<(ItemRef, Quantity)>), Problem> {
    let [user_id, id, item_id, quantity] = query::read(asked.query(), ["user_id", "id", "item_id", "quantity"])?;
    let body: Body = asked.json()?.unwrap_or_default();
    let mut faults = FieldErrors::default();

    let user_id = faults.parse("user_id", user_id);
    let user = faults.either("user_id", user_id, body.user_id);
    if id.is_some() && item_id.is_some() {
        faults.add("item_id", "means the same as id: give one of them");
    }
    let field = if item_id.is_some() { "item_id" } else { "id" };
    let named = id.is_some() || item_id.is_some();
    let item: Option<ItemRef> = faults.parse(field, id.or(item_id));
    let quantity = quantity.map(|text| faults.take("quantity", faults::quantity(&text)));

    let items = match body.items {
        Some(_) if named => {
            faults.add("items", "is given in the body, and an item in the query: give them once");
            None
        }
        Some(_) if quantity.is_some() => {
            faults.add("quantity", "belongs to an item in the query, and the items are in the body");
            None
        }
        Some(items) if items.is_empty() || items.len() > ITEMS_MAX => {
            faults.add("items", "must be 1 to 100 items");
            None
        }
        Some(items) => Some(items.into_iter().map(|Object(line)| (line.id, line.quantity)).collect()),
        None => item.zip(quantity.unwrap_or(Some(Quantity::ONE))).map(|item| vec![item]),
    };
    match (user, items) {
        (Some(user), Some(items)) => faults.check().map(|()| (user, items)),
        (user, items) => {
            if user.is_none() {
                faults.missing("user_id");
            }
            if items.is_none() && !named {
                faults.missing("id");
            }
            Err(faults.into_problem())
        }
    }
}

fn problem(error: CheckoutError) -> Problem {
    match error {
        CheckoutError::Invalid(message) => FieldErrors::one("items", message),
        CheckoutError::SaleNotFound => sale_not_found(),
        CheckoutError::Refused(sale, refusal) => refused(sale, refusal),
        CheckoutError::Failed(error) => error.into(),
    }
}

fn refused(sale: SaleId, refusal: CheckoutRefusal) -> Problem {
    match refusal {
        CheckoutRefusal::NotStarted => not_started(),
        CheckoutRefusal::Ended => ended(),
        CheckoutRefusal::ItemNotFound(ordinal) => item_not_found(ItemId { sale, ordinal }),
        CheckoutRefusal::ItemSold(items) => {
            let detail = "Too few are left of the items in `unavailable`. Nothing was added: choose others.";
            Problem::new(ProblemCode::ItemSold, detail).sold(of_sale(sale, items))
        }
        CheckoutRefusal::CartFull => {
            Problem::new(ProblemCode::CartFull, "A cart holds at most 10 units. Buy it or take something out first.")
        }
        CheckoutRefusal::UserLimitReached => user_limit_reached(),
    }
}

/// The ids of items of one sale.
pub fn of_sale(sale: SaleId, items: Vec<Ordinal>) -> Vec<ItemId> {
    items.into_iter().map(|ordinal| ItemId { sale, ordinal }).collect()
}

/// No sale of this id, or none that is on.
pub fn sale_not_found() -> Problem {
    Problem::new(ProblemCode::SaleNotFound, "There is no such sale. GET /sales/active shows the one that is on.")
}

/// The sale has no such item.
pub fn item_not_found(item: ItemId) -> Problem {
    Problem::new(
        ProblemCode::ItemNotFound,
        format!("There is no item {item}. GET /sales/{}/items lists them.", item.sale),
    )
}

/// The sale is not open yet.
pub fn not_started() -> Problem {
    Problem::new(ProblemCode::SaleNotStarted, "The sale has not started. GET /sales/{id} shows when it does.")
}

/// The sale is over.
pub fn ended() -> Problem {
    Problem::new(ProblemCode::SaleEnded, "The sale has ended. GET /sales/active shows the one that is on.")
}

/// The user owns as much as one user may.
pub fn user_limit_reached() -> Problem {
    let detail = "With this the user would own more units of the sale than allowed. Nothing was taken: take fewer.";
    Problem::new(ProblemCode::UserLimitReached, detail)
}
