//! An item as pages show it.

use crate::application::sale::live_sale::LiveSale;
use crate::domain::shared::{ItemId, Ordinal};
use crate::infrastructure::http::web::number;

use super::picture::Picture;

/// An item with its units left.
pub struct Card {
    pub id: ItemId,
    pub name: String,
    pub price: String,
    pub left: u32,
    pub stock: u32,
    pub picture: Picture,
}

impl Card {
    /// An item of a sale; `None` if the sale does not have it.
    pub fn new(sale: &LiveSale, ordinal: Ordinal, left: u32) -> Option<Self> {
        let item = sale.catalog.item(ordinal)?;
        Some(Card {
            id: ItemId { sale: sale.id(), ordinal },
            name: item.name().to_owned(),
            price: number::price(item.price(), sale.catalog.currency()),
            left,
            stock: item.stock(),
            picture: Picture::of(ordinal, item),
        })
    }
}
