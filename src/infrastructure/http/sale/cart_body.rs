//! The JSON of a cart.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::application::sale::cart::OpenCart;
use crate::application::shared::StoreError;
use crate::domain::sale::{CartLine, SaleStatus, UnknownItem};
use crate::domain::shared::{CheckoutCode, Currency, ItemId, Money, SaleId};
use crate::infrastructure::http::platform::timestamp::as_milliseconds;

/// A cart. It reserves nothing.
#[derive(Serialize, ToSchema)]
#[schema(as = Cart)]
pub struct CartBody<'a> {
    code: CheckoutCode,
    sale_id: SaleId,
    /// Units in the cart.
    items_count: u32,
    items: Vec<CartLineBody<'a>>,
    total: Money,
    currency: Currency,
    #[serde(serialize_with = "as_milliseconds")]
    sale_ends_at: DateTime<Utc>,
}

/// Units of one item in a cart.
#[derive(Serialize, ToSchema)]
#[schema(as = CartLine)]
struct CartLineBody<'a> {
    id: ItemId,
    name: &'a str,
    image_url: &'a str,
    price: Money,
    quantity: u32,
    /// `true` if this many units are left. Absent in the answer to a checkout.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    available: Option<bool>,
}

impl<'a> CartBody<'a> {
    /// The cart as it was checked out.
    pub fn new(cart: &'a OpenCart) -> Result<Self, StoreError> {
        CartBody::of(cart, |_| None)
    }

    /// The cart at this time, with the availability of each item.
    pub fn with_availability(cart: &'a OpenCart, now: DateTime<Utc>) -> Result<Self, StoreError> {
        let is_over = cart.sale.sale().window.status(now) == SaleStatus::Ended;
        let projection = cart.sale.projection();
        CartBody::of(cart, |line| Some(!is_over && projection.left_of(line.ordinal) >= line.quantity.get()))
    }

    fn of(open: &'a OpenCart, available: impl Fn(&CartLine) -> Option<bool>) -> Result<Self, StoreError> {
        let (sale, catalog, cart) = (open.sale.sale(), &open.sale.catalog, &open.cart);
        let line = |line: &CartLine| {
            let item = catalog.item(line.ordinal).ok_or(UnknownItem(line.ordinal))?;
            let id = ItemId { sale: sale.id, ordinal: line.ordinal };
            let (name, image_url, price) = (item.name(), item.image_url(), item.price());
            Ok(CartLineBody { id, name, image_url, price, quantity: line.quantity.get(), available: available(line) })
        };
        let items: Result<Vec<CartLineBody<'a>>, UnknownItem> = cart.lines.iter().map(line).collect();
        Ok(CartBody {
            code: cart.code,
            sale_id: sale.id,
            items_count: cart.units(),
            items: items.map_err(StoreError::corrupt)?,
            total: catalog.total(&cart.lines).map_err(StoreError::corrupt)?,
            currency: sale.currency,
            sale_ends_at: sale.window.ends_at,
        })
    }
}
