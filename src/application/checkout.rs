//! Putting items into a cart, and looking at it.

use std::sync::Arc;

use crate::domain::limits::CART_UNITS;
use crate::domain::{
    Cart, CartLine, CheckoutCode, CheckoutRefusal, ItemId, ItemRef, Quantity, RemoveRefusal, SaleId, SaleStatus, UserId,
};

use super::live_sale::LiveSale;
use super::ports::{Declined, Found, StoreError};
use super::sales::Step;
use super::shop::Shop;

/// A cart with its name and its sale.
#[derive(Debug, Clone)]
pub struct Basket {
    pub code: CheckoutCode,
    pub cart: Cart,
    pub sale: Arc<LiveSale>,
}

/// Why nothing was checked out.
#[derive(Debug)]
pub enum CheckoutError {
    /// No item was named, one was named twice, or they are of several sales.
    Invalid(&'static str),
    SaleNotFound,
    Refused(SaleId, CheckoutRefusal),
    Failed(StoreError),
}

/// Why an item stays in the cart.
#[derive(Debug)]
pub enum RemoveError {
    Refused(RemoveRefusal),
    Failed(StoreError),
}

/// Items of one sale, and whether it was named only as "the current one".
pub(super) struct Wanted {
    pub sale: Arc<LiveSale>,
    pub lines: Vec<CartLine>,
    pub of_current_sale: bool,
}

impl Shop {
    /// Puts all of the items into the user's cart, or none. Sold ones are refused by the sold-item filter,
    /// without asking Redis.
    pub async fn checkout(&self, user: &UserId, items: &[(ItemRef, Quantity)]) -> Result<Basket, CheckoutError> {
        let mut wanted = self.wanted(items).await?;
        let mut result = self.checkout_in(&wanted.sale, user, &wanted.lines).await;
        if let Err(CheckoutError::Refused(_, refusal)) = &result
            && let Some(sale) = wanted.of_current_sale.then(|| self.sale_meant(&wanted.sale, refusal)).flatten()
        {
            wanted.sale = sale;
            result = self.checkout_in(&wanted.sale, user, &wanted.lines).await;
        }
        if let Err(CheckoutError::Refused(sale, refusal)) = &result {
            self.refusals.count(*sale, self.clock.now(), refusal);
        }
        result
    }

    async fn checkout_in(
        &self,
        sale: &Arc<LiveSale>,
        user: &UserId,
        lines: &[CartLine],
    ) -> Result<Basket, CheckoutError> {
        let id = sale.sale().id;
        if let Some(refusal) = self.refused_at_once(sale, lines) {
            return Err(CheckoutError::Refused(id, refusal));
        }
        let epoch = self.epoch().map_err(CheckoutError::Failed)?;
        let new_code = CheckoutCode::new(id, rand::random());
        match self.stock.checkout(user, new_code, lines).await {
            Ok(done) => {
                tracing::debug!(sale = %id, code = %done.code.shortened(), "checked out");
                Ok(Basket { code: done.code, cart: done.cart, sale: sale.clone() })
            }
            Err(Declined::Refused(refusal)) => Err(CheckoutError::Refused(id, refusal)),
            Err(Declined::Failed(error)) => Err(CheckoutError::Failed(self.noticing(epoch, error))),
        }
    }

    /// What needs no look-up: a sale that is over for good, sold items, too many units. Whether a sale is open
    /// is for Redis to say, so about one that is not nothing is decided here.
    fn refused_at_once(&self, sale: &LiveSale, lines: &[CartLine]) -> Option<CheckoutRefusal> {
        let about = sale.sale();
        if about.closed {
            return Some(CheckoutRefusal::Ended);
        }
        if about.window.status(self.clock.now()) != SaleStatus::Open {
            return None;
        }
        if let Some(line) = lines.iter().find(|line| sale.catalog.item(line.ordinal).is_none()) {
            return Some(CheckoutRefusal::ItemNotFound(line.ordinal));
        }
        let sold: Vec<_> = lines.iter().map(|line| line.ordinal).filter(|ordinal| sale.is_sold(*ordinal)).collect();
        if !sold.is_empty() {
            self.refusals.count_filtered();
            return Some(CheckoutRefusal::ItemSold(sold));
        }
        let units: u32 = lines.iter().map(|line| line.quantity.get()).sum();
        (units > CART_UNITS).then_some(CheckoutRefusal::CartFull)
    }

    /// The one sale that the items are of.
    pub(super) async fn wanted(&self, items: &[(ItemRef, Quantity)]) -> Result<Wanted, CheckoutError> {
        let current = self.sales.current(self.clock.now());
        let current_id = current.as_ref().map(|sale| sale.sale().id);
        let id = |item: ItemRef| match item {
            ItemRef::Id(id) => Some(id),
            ItemRef::InCurrentSale(ordinal) => Some(ItemId { sale: current_id?, ordinal }),
        };
        let mut lines: Vec<CartLine> = Vec::with_capacity(items.len());
        let mut sale_id = None;
        for (item, quantity) in items {
            let ItemId { sale, ordinal } = id(*item).ok_or(CheckoutError::SaleNotFound)?;
            if *sale_id.get_or_insert(sale) != sale {
                return Err(CheckoutError::Invalid("all items of one checkout must be of the same sale"));
            }
            if lines.iter().any(|line| line.ordinal == ordinal) {
                return Err(CheckoutError::Invalid("the same item is named twice: give its quantity instead"));
            }
            lines.push(CartLine { ordinal, quantity: *quantity });
        }
        let sale_id = sale_id.ok_or(CheckoutError::Invalid("name at least one item"))?;
        let sale = self.find_sale(sale_id).await.map_err(CheckoutError::Failed)?;
        let of_current_sale = items.iter().all(|(item, _)| matches!(item, ItemRef::InCurrentSale(_)));
        Ok(Wanted { sale: sale.ok_or(CheckoutError::SaleNotFound)?, lines, of_current_sale })
    }

    /// "The current sale" at the boundary between two, where Redis sees another time than this instance.
    fn sale_meant(&self, asked: &LiveSale, refusal: &CheckoutRefusal) -> Option<Arc<LiveSale>> {
        let step = match refusal {
            CheckoutRefusal::Ended => Step::After,
            CheckoutRefusal::NotStarted => Step::Before,
            _ => return None,
        };
        self.sales.neighbour(asked.sale().id, step)
    }

    /// The cart of this name; `None` where there is none, or where it has been bought.
    pub async fn cart(&self, code: CheckoutCode) -> Result<Option<Basket>, StoreError> {
        let Some(sale) = self.find_sale(code.sale).await? else { return Ok(None) };
        if sale.sale().closed {
            return Ok(None);
        }
        let epoch = self.epoch()?;
        match self.stock.find(code).await.map_err(|error| self.noticing(epoch, error))? {
            Some(Found::Cart(cart)) => Ok(Some(Basket { code, cart, sale })),
            Some(Found::Sold(_)) | None => Ok(None),
        }
    }

    /// Takes an item out of the cart.
    pub async fn remove(&self, code: CheckoutCode, item: ItemRef) -> Result<Basket, RemoveError> {
        let found = self.find_sale(code.sale).await.map_err(RemoveError::Failed)?;
        let sale = found.ok_or(RemoveError::Refused(RemoveRefusal::CheckoutNotFound))?;
        if sale.sale().closed {
            return Err(RemoveError::Refused(RemoveRefusal::Ended));
        }
        // In a cart a number can only mean an item of the cart's own sale.
        let ordinal = match item {
            ItemRef::Id(id) if id.sale != code.sale => return Err(RemoveError::Refused(RemoveRefusal::ItemNotInCart)),
            ItemRef::Id(id) => id.ordinal,
            ItemRef::InCurrentSale(ordinal) => ordinal,
        };
        let epoch = self.epoch().map_err(RemoveError::Failed)?;
        match self.stock.remove(code, ordinal).await {
            Ok(cart) => Ok(Basket { code, cart, sale }),
            Err(Declined::Refused(refusal)) => Err(RemoveError::Refused(refusal)),
            Err(Declined::Failed(error)) => Err(RemoveError::Failed(self.noticing(epoch, error))),
        }
    }
}
