//! `GET /checkout/{code}` and `DELETE /checkout/{code}/items/{id}`; and how a cart is shown.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::application::checkout::{Basket, RemoveError};
use crate::domain::purchase::as_milliseconds;
use crate::domain::{CartLine, CheckoutCode, Currency, ItemId, Money, RemoveRefusal, SaleId, SaleStatus};

use super::answer::{self, Answer};
use super::code::Code;
use super::front::Front;
use super::problem::Problem;
use super::query;
use super::request::Asked;

/// The cart of a code, each item with whether it can still be had.
pub async fn get(front: &Front, asked: &Asked) -> Result<Answer, Problem> {
    let code: CheckoutCode = asked.params.parse("code")?;
    let [] = query::read(asked.query(), [])?;
    match front.shop.cart(code).await? {
        Some(basket) => Ok(with_availability(front, &basket)),
        None => Err(not_found()),
    }
}

/// Takes an item out of a cart.
pub async fn delete_item(front: &Front, asked: &Asked) -> Result<Answer, Problem> {
    let (code, item) = (asked.params.parse("code")?, asked.params.parse("id")?);
    let [] = query::read(asked.query(), [])?;
    front.shop.remove(code, item).await.map(|basket| with_availability(front, &basket)).map_err(|error| match error {
        RemoveError::Failed(error) => error.into(),
        RemoveError::Refused(RemoveRefusal::CheckoutNotFound) => not_found(),
        RemoveError::Refused(RemoveRefusal::ItemNotInCart) => Problem::new(
            Code::ItemNotFound,
            "The cart does not hold this item. GET /checkout/{code} shows what it holds.",
        ),
        RemoveError::Refused(RemoveRefusal::Ended) => {
            Problem::new(Code::SaleEnded, "The sale of this cart has ended: the cart can be forgotten.")
        }
    })
}

/// No cart of this code.
pub fn not_found() -> Problem {
    let detail = "No cart has this code. If it has been bought, GET /purchase/{code} shows its receipt; otherwise \
                  POST /checkout makes a new cart.";
    Problem::new(Code::CheckoutNotFound, detail)
}

/// The cart as it was checked out.
pub fn checked_out(basket: &Basket) -> Answer {
    shown(basket, |_| None)
}

fn with_availability(front: &Front, basket: &Basket) -> Answer {
    let is_over = basket.sale.sale().window.status(front.shop.clock.now()) == SaleStatus::Ended;
    let left = basket.sale.projection();
    shown(basket, |line| Some(!is_over && left.of(line.ordinal) >= line.quantity.get()))
}

fn shown(basket: &Basket, available: impl Fn(&CartLine) -> Option<bool>) -> Answer {
    let (sale, catalog) = (basket.sale.sale(), &basket.sale.catalog);
    let line = |line: &CartLine| {
        let item = catalog.item(line.ordinal)?;
        let id = ItemId { sale: sale.id, ordinal: line.ordinal };
        let (name, image_url, price) = (item.name(), item.image_url(), item.price());
        Some(Line { id, name, image_url, price, quantity: line.quantity.get(), available: available(line) })
    };
    answer::ok(&Body {
        code: basket.code,
        sale_id: sale.id,
        items_count: basket.cart.units(),
        items: basket.cart.lines.iter().filter_map(line).collect(),
        total: catalog.total(&basket.cart.lines),
        currency: sale.currency,
        sale_ends_at: sale.window.ends_at,
    })
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
