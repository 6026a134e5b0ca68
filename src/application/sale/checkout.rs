//! Putting items into a cart.

use std::sync::Arc;

use crate::application::shared::StoreError;
use crate::domain::sale::{CartLine, CheckoutRefusal, ItemRef, Quantity, SaleStatus};
use crate::domain::shared::limits::CART_UNITS;
use crate::domain::shared::{CheckoutCode, ItemId, SaleId, UserId};

use super::cart::OpenCart;
use super::clock::CLOCKS_DIFFER;
use super::live_sale::LiveSale;
use super::ports::DecideError;
use super::registry::Neighbour;
use super::shop::{NO_CURRENT_SALE, Shop};

/// A checkout that changed nothing.
#[derive(Debug)]
pub enum CheckoutError {
    /// No item was named, one was named twice, or they belong to several sales.
    Invalid(&'static str),
    SaleNotFound,
    Refused(SaleId, CheckoutRefusal),
    Failed(StoreError),
}

impl From<StoreError> for CheckoutError {
    fn from(error: StoreError) -> Self {
        CheckoutError::Failed(error)
    }
}

/// The wanted items, all of one sale.
struct Wanted {
    sale: Arc<LiveSale>,
    lines: Vec<CartLine>,
    /// Every item was named by its number in the current sale.
    of_current_sale: bool,
}

impl Shop {
    /// Puts all of the items into the user's cart, or none. The sold-item filter refuses sold ones without a call to
    /// Redis.
    pub async fn checkout(&self, user: &UserId, items: &[(ItemRef, Quantity)]) -> Result<OpenCart, CheckoutError> {
        let wanted = self.wanted(items).await?;
        let mut result = self.checkout_in(&wanted.sale, user, &wanted.lines).await;
        if wanted.of_current_sale
            && let Some(direction) = outside_window(&result)
        {
            // The clock of Redis is on the other side of a boundary between sales.
            let neighbour = self.neighbour_without_room(wanted.sale.id(), direction)?;
            result = self.checkout_in(&neighbour, user, &wanted.lines).await;
            if outside_window(&result).is_some() {
                return Err(NO_CURRENT_SALE.into());
            }
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
    ) -> Result<OpenCart, CheckoutError> {
        let id = sale.id();
        if let Some(refusal) = self.refused_from_memory(sale, lines) {
            return Err(CheckoutError::Refused(id, refusal));
        }
        let epoch = self.enter(sale)?;
        let new_code = CheckoutCode::new(id, rand::random());
        match epoch.check(self.store.checkout(epoch.number(), &sale.catalog, user, new_code, lines).await) {
            Ok(cart) => {
                tracing::debug!(sale = %id, code = %cart.code.shortened(), "checked out");
                Ok(OpenCart { cart, sale: sale.clone() })
            }
            Err(DecideError::Refused(CheckoutRefusal::SaleNotStarted))
                if self.clock.has_surely_started(&sale.sale().window) =>
            {
                Err(CLOCKS_DIFFER.into())
            }
            Err(DecideError::Refused(CheckoutRefusal::SaleEnded)) if self.clock.is_surely_open(&sale.sale().window) => {
                Err(CLOCKS_DIFFER.into())
            }
            Err(DecideError::Refused(refusal)) => Err(CheckoutError::Refused(id, refusal)),
            Err(DecideError::Failed(error)) => Err(error.into()),
        }
    }

    /// Refuses without I/O: for a sale that is closed for good, for sold items, and for too many units. Redis alone
    /// decides when a sale opens and ends, so nothing is refused here outside its window.
    fn refused_from_memory(&self, live: &LiveSale, lines: &[CartLine]) -> Option<CheckoutRefusal> {
        let sale = live.sale();
        if sale.closed {
            return Some(CheckoutRefusal::SaleEnded);
        }
        if sale.window.status(self.clock.now()) != SaleStatus::Open {
            return None;
        }
        if let Some(line) = lines.iter().find(|line| live.catalog.item(line.ordinal).is_none()) {
            return Some(CheckoutRefusal::ItemNotFound(line.ordinal));
        }
        let sold: Vec<_> = lines.iter().map(|line| line.ordinal).filter(|ordinal| live.is_sold(*ordinal)).collect();
        if !sold.is_empty() {
            self.refusals.count_filtered();
            return Some(CheckoutRefusal::ItemSold(sold));
        }
        let units: u32 = lines.iter().map(|line| line.quantity.get()).sum();
        (units > CART_UNITS).then_some(CheckoutRefusal::CartFull)
    }

    /// Finds the one sale that all of the items belong to.
    async fn wanted(&self, items: &[(ItemRef, Quantity)]) -> Result<Wanted, CheckoutError> {
        let of_current_sale = items.iter().all(|(item, _)| matches!(item, ItemRef::InCurrentSale(_)));
        let mut current = None;
        let mut lines: Vec<CartLine> = Vec::with_capacity(items.len());
        let mut sale_id = None;
        for (item, quantity) in items {
            let ItemId { sale, ordinal } = match *item {
                ItemRef::Id(id) => id,
                ItemRef::InCurrentSale(ordinal) => {
                    let sale = match current {
                        Some(sale) => sale,
                        None => *current.insert(self.current_sale_without_room()?.id()),
                    };
                    ItemId { sale, ordinal }
                }
            };
            if *sale_id.get_or_insert(sale) != sale {
                return Err(CheckoutError::Invalid("all items of one checkout must belong to the same sale"));
            }
            if lines.iter().any(|line| line.ordinal == ordinal) {
                return Err(CheckoutError::Invalid("the same item is named twice: give its quantity instead"));
            }
            lines.push(CartLine { ordinal, quantity: *quantity });
        }
        let sale_id = sale_id.ok_or(CheckoutError::Invalid("name at least one item"))?;
        let sale = self.find_sale(sale_id).await?.ok_or(CheckoutError::SaleNotFound)?;
        Ok(Wanted { sale, lines, of_current_sale })
    }
}

/// Returns the direction of the sale that sells now, if a checkout was refused because its sale does not.
fn outside_window(result: &Result<OpenCart, CheckoutError>) -> Option<Neighbour> {
    match result {
        Err(CheckoutError::Refused(_, CheckoutRefusal::SaleEnded)) => Some(Neighbour::Next),
        Err(CheckoutError::Refused(_, CheckoutRefusal::SaleNotStarted)) => Some(Neighbour::Previous),
        _ => None,
    }
}
