//! A sale: a window of time that sells a fixed set of items.

use std::str::FromStr;

use serde::Serialize;
use strum::{Display, IntoStaticStr, VariantArray};
use utoipa::ToSchema;

use crate::domain::shared::{Currency, Invalid, SaleId};

use super::{Catalog, Window};

/// A sale and its rules. Its items are in its [`Catalog`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sale {
    pub id: SaleId,
    pub window: Window,
    /// Units that one user may own.
    pub user_limit: u32,
    pub currency: Currency,
    /// Items in the catalog.
    pub items: u32,
    /// Units of all items together.
    pub units: u32,
    /// The sale has ended and all of it is in PostgreSQL; it no longer needs Redis.
    pub closed: bool,
}

impl Sale {
    /// A sale of the items of this catalog.
    pub fn new(id: SaleId, window: Window, user_limit: u32, catalog: &Catalog) -> Self {
        let (currency, items, units) = (catalog.currency(), catalog.items(), catalog.units());
        Sale { id, window, user_limit, currency, items, units, closed: false }
    }
}

/// The state of a sale as shoppers see it. Time alone moves it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, Display, IntoStaticStr, VariantArray)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum SaleStatus {
    Scheduled,
    Open,
    Ended,
}

impl FromStr for SaleStatus {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let named = SaleStatus::VARIANTS.iter().find(|status| <&str>::from(*status) == text);
        named.copied().ok_or_else(|| {
            let words: Vec<&str> = SaleStatus::VARIANTS.iter().map(<&str>::from).collect();
            Invalid::new(format!("must be one of {}", words.join(", ")))
        })
    }
}
