//! The JSON of an item of a sale.

use serde::Serialize;
use utoipa::ToSchema;

use crate::application::sale::live_sale::LiveSale;
use crate::domain::shared::{Currency, ItemId, Money, Ordinal, SaleId};

/// An item of a sale.
#[derive(Serialize, ToSchema)]
#[schema(as = Item)]
pub struct ItemBody<'a> {
    id: ItemId,
    name: &'a str,
    image_url: &'a str,
    price: Money,
    currency: Currency,
    /// Units on offer.
    stock: u32,
    /// Units that are not sold.
    remaining: u32,
    /// `true` if no unit is left.
    sold: bool,
}

impl<'a> ItemBody<'a> {
    /// An item with this many units left; `None` if the sale has no such item.
    pub fn new(sale: &'a LiveSale, sale_id: SaleId, ordinal: Ordinal, remaining: u32) -> Option<Self> {
        let item = sale.catalog.item(ordinal)?;
        Some(ItemBody {
            id: ItemId { sale: sale_id, ordinal },
            name: item.name(),
            image_url: item.image_url(),
            price: item.price(),
            currency: sale.catalog.currency(),
            stock: item.stock(),
            remaining,
            sold: remaining == 0,
        })
    }
}
