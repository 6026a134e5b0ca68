//! `GET /checkout/{code}` and `DELETE /checkout/{code}/items/{id}`; and how a cart is shown.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::receipt::as_milliseconds;
use crate::application::sale::{cart::OpenCart, ports::DecideError};
use crate::application::shared::StoreError;
use crate::domain::sale::{CartLine, RemoveRefusal, SaleStatus, UnknownItem};
use crate::domain::shared::{CheckoutCode, Currency, ItemId, Money, SaleId};

use super::answer::{self, Answer};
use super::code::ProblemCode;
use super::front::Front;
use super::problem::Problem;
use super::query;
use super::request::ApiRequest;

/// The cart of a code, each item with whether it can still be had.
pub async fn get(front: &Front, asked: &ApiRequest) -> Result<Answer, Problem> {
    let code: CheckoutCode = asked.params.parse("code")?;
    let [] = query::read(asked.query(), [])?;
    match front.shop.cart(code).await? {
        Some(open_cart) => with_availability(front, &open_cart),
        None => Err(not_found()),
    }
}

/// Takes an item out of a cart.
pub async fn delete_item(front: &Front, asked: &ApiRequest) -> Result<Answer, Problem> {
    let (code, item) = (asked.params.parse("code")?, asked.params.parse("id")?);
    let [] = query::read(asked.query(), [])?;
    let removed = front.shop.remove(code, item).await.map_err(|error| match error {
        DecideError::Failed(error) => error.into(),
        DecideError::Refused(RemoveRefusal::CheckoutNotFound) => not_found(),
        DecideError::Refused(RemoveRefusal::ItemNotInCart) => Problem::new(
            ProblemCode::ItemNotFound,
            "The cart does not hold this item. GET /checkout/{code} shows what it holds.",
        ),
        DecideError::Refused(RemoveRefusal::Ended) => {
            Problem::new(ProblemCode::SaleEnded, "The sale of this cart has ended: the cart can be forgotten.")
        }
    })?;
    with_availability(front, &removed)
}

/// No cart of this code.
pub fn not_found() -> Problem {
    let detail = "No cart has this code. If it has been bought, GET /purchase/{code} shows its receipt; otherwise \
                  POST /checkout makes a new cart.";
    Problem::new(ProblemCode::CheckoutNotFound, detail)
}

/// The cart as it was checked out.
pub fn checked_out(open_cart: &OpenCart) -> Result<Answer, Problem> {
    shown(open_cart, |_| None)
}

fn with_availability(front: &Front, open_cart: &OpenCart) -> Result<Answer, Problem> {
    let is_over = open_cart.sale.sale().window.status(front.shop.clock.now()) == SaleStatus::Ended;
    let projection = open_cart.sale.projection();
    shown(open_cart, |line| Some(!is_over && projection.left_of(line.ordinal) >= line.quantity.get()))
}

fn shown(open_cart: &OpenCart, available: impl Fn(&CartLine) -> Option<bool>) -> Result<Answer, Problem> {
    let (sale, catalog, cart) = (open_cart.sale.sale(), &open_cart.sale.catalog, &open_cart.cart);
    let line = |line: &CartLine| {
        let item = catalog.item(line.ordinal).ok_or(UnknownItem(line.ordinal))?;
        let id = ItemId { sale: sale.id, ordinal: line.ordinal };
        let (name, image_url, price) = (item.name(), item.image_url(), item.price());
        Ok(Line { id, name, image_url, price, quantity: line.quantity.get(), available: available(line) })
    };
    let items: Result<Vec<Line>, UnknownItem> = cart.lines.iter().map(line).collect();
    Ok(answer::ok(&Body {
        code: cart.code,
        sale_id: sale.id,
        items_count: cart.units(),
        items: items.map_err(StoreError::corrupt)?,
        total: catalog.total(&cart.lines).map_err(StoreError::corrupt)?,
        currency: sale.currency,
        sale_ends_at: sale.window.ends_at,
    }))
}

/// A cart, which reserves nothing.
#[derive(Serialize, ToSchema)]
#[schema(as = Cart)]
pub struct Body<'a> {
    code: CheckoutCode,
    sale_id: SaleId,
    /// Units in the cart.
    items_count: u32,
    items: Vec<Line<'a>>,
    total: Money,
    currency: Currency,
    #[serde(serialize_with = "as_milliseconds")]
    sale_ends_at: DateTime<Utc>,
}

/// Units of one item in a cart.
#[derive(Serialize, ToSchema)]
#[schema(as = CartLine)]
struct Line<'a> {
    id: ItemId,
    name: &'a str,
    image_url: &'a str,
    price: Money,
    quantity: u32,
    /// Whether so many can still be had: told where a cart is looked at, not where it is filled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    available: Option<bool>,
}
