//! A sale: a window of time that sells a fixed set of items.

use crate::domain::shared::{Currency, SaleId};

use super::{Catalog, PaymentWindow, Terms, Window};

/// A sale and its rules. Its items are in its [`Catalog`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sale {
    pub id: SaleId,
    pub window: Window,
    /// Units that one user may own.
    pub user_limit: u32,
    /// If set, each purchase is an order that must be paid.
    pub payment_window: Option<PaymentWindow>,
    /// Only users whose place in the waiting room was called may buy.
    pub waiting_room: bool,
    pub currency: Currency,
    /// Items in the catalog.
    pub items: u32,
    /// Units of all items together.
    pub units: u32,
    /// The sale has ended and all of it is in PostgreSQL; it no longer needs Redis.
    pub closed: bool,
}

impl Sale {
    /// A sale of the items of this catalog that wants no payment and has no waiting room.
    pub fn new(id: SaleId, window: Window, user_limit: u32, catalog: &Catalog) -> Self {
        let (currency, items, units) = (catalog.currency(), catalog.items(), catalog.units());
        Sale {
            id,
            window,
            user_limit,
            payment_window: None,
            waiting_room: false,
            currency,
            items,
            units,
            closed: false,
        }
    }

    /// Returns the terms that its receipts show.
    pub fn terms(&self) -> Terms {
        Terms { currency: self.currency, payment_window: self.payment_window }
    }
}
