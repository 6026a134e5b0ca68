//! `POST /checkout`: puts items into the cart of a user.

use hyper::Method;
use serde::Deserialize;
use utoipa::openapi::{Array, Required};
use utoipa::{PartialSchema, ToSchema};

use crate::application::sale::checkout::CheckoutError;
use crate::domain::sale::{CheckoutRefusal, ItemRef, Quantity};
use crate::domain::shared::limits::CART_UNITS;
use crate::domain::shared::{Invalid, ItemId, SaleId, UserId};
use crate::infrastructure::http::platform::admission::{Gate, PASS, admission_required};
use crate::infrastructure::http::platform::field_errors::not_up_to;
use crate::infrastructure::http::platform::json::Object;
use crate::infrastructure::http::platform::openapi::schema;
use crate::infrastructure::http::platform::policy::Accepts;
use crate::infrastructure::http::platform::{
    Answer, ApiRequest, Context, Description, Endpoint, FieldErrors, Policy, Problem, ProblemCode, answer, json, query,
};

use super::SHOPPING;
use super::cart_body::CartBody;
use super::metrics::{self, Outcome};
use super::problems;

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::POST,
    path: "/checkout",
    policy: Policy { accepts: Accepts::Json, ..Policy::CHECKOUT },
    describe,
    handler: |context, request| Box::pin(post(context, request)),
};

/// Most items of one request. It is more than a cart holds, so that a request for too many units gets its own problem.
const ITEMS_MAX: usize = 100;

fn describe() -> Description {
    let description = "Adds one item, named in the query, or the items in the body: all of them, or none. A cart reserves \
                       nothing. A repeated checkout of the same item changes nothing.";
    let described = Description::new(SHOPPING, "checkOut", "Put items into the cart of a user", description)
        .examples(include_str!("checkout.json"))
        .query::<UserId>(
            "user_id",
            "The owner of the cart. Required here or in the body, unless a token names the user",
        )
        .query::<ItemRef>("id", "The item. Required, unless the body has items")
        .query::<ItemRef>("item_id", "Another name for `id`")
        .query_of("quantity", Quantity::schema(), "Units of the item, by default 1")
        .request_header(
            PASS,
            schema::text(),
            "The pass of a sale with a waiting room, unless the cookie `queue-pass` has it",
        )
        .body::<CheckoutRequest>(Required::False)
        .with_schema::<CheckoutLine>()
        .answer::<CartBody>(200, "The cart")
        .names_user()
        .problems([
            ProblemCode::InvalidRequest,
            ProblemCode::AdmissionRequired,
            ProblemCode::ItemNotFound,
            ProblemCode::SaleNotFound,
            ProblemCode::CartFull,
            ProblemCode::UserLimitReached,
            ProblemCode::SaleNotStarted,
            ProblemCode::SaleEnded,
        ]);
    problems::describe_unavailable(described, ProblemCode::ItemSold)
}

/// Items for a cart. A value in the body must not be in the query too.
#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields)]
struct CheckoutRequest {
    #[serde(default, deserialize_with = "json::given")]
    #[schema(nullable = false)]
    user_id: Option<UserId>,
    /// All of the items are added, or none.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(schema_with = items_schema, required = false)]
    items: Option<Vec<Object<CheckoutLine>>>,
}

/// Wanted units of one item.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CheckoutLine {
    #[serde(deserialize_with = "json::text")]
    id: ItemRef,
    #[serde(default = "one")]
    #[schema(default = 1)]
    quantity: Quantity,
}

fn one() -> Quantity {
    Quantity::ONE
}

fn items_schema() -> Array {
    schema::list_of::<CheckoutLine>().max_items(Some(ITEMS_MAX)).build()
}

async fn post(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let result = checkout(context, request).await;
    metrics::checkout(match &result {
        Ok(_) => Outcome::Accepted,
        Err(problem) => Outcome::Refused(problem.code()),
    });
    result
}

async fn checkout(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let (user, items) = read(request)?;
    context.rates.check_user(&request.counted, &user)?;
    let items = admitted(context, request, &user, items)?;
    let cart = context.shop.checkout(&user, &items).await.map_err(problem)?;
    Ok(answer::ok(&CartBody::new(&cart)?))
}

/// Returns the items if the user may buy them. Those of a sale with a waiting room are named by their ids, so that they
/// mean the sale that admitted the user.
pub fn admitted(
    context: &Context,
    request: &ApiRequest,
    user: &UserId,
    mut items: Vec<(ItemRef, Quantity)>,
) -> Result<Vec<(ItemRef, Quantity)>, Problem> {
    if !context.shop.sales.has_rooms() {
        return Ok(items);
    }
    for (item, _) in &mut items {
        let Some(ItemId { sale, ordinal }) = context.shop.named_item(*item) else { continue };
        match context.gate(request, sale, Some(user)) {
            Gate::Open => {}
            Gate::Passed(_) => *item = ItemRef::Id(ItemId { sale, ordinal }),
            Gate::Closed => return Err(admission_required()),
        }
    }
    Ok(items)
}

type Wanted = (UserId, Vec<(ItemRef, Quantity)>);

/// Reads the user and the items from the query or the body.
pub fn read(request: &ApiRequest) -> Result<Wanted, Problem> {
    let [user_id, id, item_id, quantity] = query::read(request.query(), ["user_id", "id", "item_id", "quantity"])?;
    let body: CheckoutRequest = request.json()?.unwrap_or_default();
    let mut errors = FieldErrors::default();

    let user_id = errors.parse("user_id", user_id);
    let user = request.about(errors.either("user_id", user_id, body.user_id))?;
    if id.is_some() && item_id.is_some() {
        errors.add("item_id", "means the same as id: send one of them");
    }
    let field = if item_id.is_some() { "item_id" } else { "id" };
    let is_in_query = id.is_some() || item_id.is_some();
    let item: Option<ItemRef> = errors.parse(field, id.or(item_id));
    let quantity = quantity.map(|text| errors.take("quantity", read_quantity(&text)));

    let is_listed = body.items.is_some();
    let items = match body.items {
        Some(_) if is_in_query => {
            errors.add("items", "is in the body, and an item is in the query: send one of them");
            None
        }
        Some(_) if quantity.is_some() => {
            errors.add("quantity", "is for an item in the query, and the items are in the body: remove it");
            None
        }
        Some(items) if items.is_empty() || items.len() > ITEMS_MAX => {
            errors.add("items", &format!("must be 1 to {ITEMS_MAX} items"));
            None
        }
        Some(items) => Some(items.into_iter().map(|Object(line)| (line.id, line.quantity)).collect()),
        None => item.zip(quantity.unwrap_or(Some(Quantity::ONE))).map(|item| vec![item]),
    };
    match (user, items) {
        (Some(user), Some(items)) => errors.check().map(|()| (user, items)),
        (user, items) => {
            if user.is_none() {
                errors.missing("user_id");
            }
            if items.is_none() && !is_in_query && !is_listed {
                errors.missing("id");
            }
            Err(errors.into_problem())
        }
    }
}

fn read_quantity(text: &str) -> Result<Quantity, Invalid> {
    query::number(text).ok_or_else(|| not_up_to(CART_UNITS)).and_then(|units: u32| units.try_into())
}

/// Turns an error into its problem.
pub fn problem(error: CheckoutError) -> Problem {
    match error {
        CheckoutError::Invalid(message) => FieldErrors::one("items", message),
        CheckoutError::SaleNotFound => problems::sale_not_found(),
        CheckoutError::Refused(sale, refusal) => refused(sale, refusal),
        CheckoutError::Failed(error) => error.into(),
    }
}

fn refused(sale: SaleId, refusal: CheckoutRefusal) -> Problem {
    match refusal {
        CheckoutRefusal::SaleNotStarted => problems::sale_not_started(),
        CheckoutRefusal::SaleEnded => problems::sale_ended(),
        CheckoutRefusal::ItemNotFound(ordinal) => problems::item_not_found(ItemId { sale, ordinal }),
        CheckoutRefusal::ItemSold(items) => {
            let detail = "Too few units of the items in `unavailable` are left. Nothing was added. Choose other items.";
            problems::with_unavailable(Problem::new(ProblemCode::ItemSold, detail), sale, items)
        }
        CheckoutRefusal::CartFull => {
            let detail = format!("A cart holds at most {CART_UNITS} units. Buy the cart or remove items first.");
            Problem::new(ProblemCode::CartFull, detail)
        }
        CheckoutRefusal::UserLimitReached => problems::user_limit_reached(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_is_what_a_cart_holds_in_digits() {
        for (text, expected) in [("1", Some(1)), ("10", Some(10)), ("07", Some(7))] {
            assert_eq!(read_quantity(text).ok().map(Quantity::get), expected);
        }
        for text in ["", "0", "11", "-1", "+1", "1.0"] {
            assert_eq!(read_quantity(text).unwrap_err().message(), "must be 1 to 10", "{text:?}");
        }
    }

    #[test]
    fn a_refusal_has_one_name_in_problems_and_in_tables() {
        let (sale, ordinal) = ("20261120T09".parse().unwrap(), 1.try_into().unwrap());
        for refusal in [
            CheckoutRefusal::SaleNotStarted,
            CheckoutRefusal::SaleEnded,
            CheckoutRefusal::ItemNotFound(ordinal),
            CheckoutRefusal::ItemSold(vec![ordinal]),
            CheckoutRefusal::CartFull,
            CheckoutRefusal::UserLimitReached,
        ] {
            let name: &str = (&refusal).into();
            assert_eq!(refused(sale, refusal).code().word(), name);
        }
    }
}
