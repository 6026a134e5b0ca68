//! Showing a cart and removing items from it.

use std::sync::Arc;

use crate::application::shared::StoreError;
use crate::domain::sale::{Cart, ItemRef, RemoveRefusal};
use crate::domain::shared::Claim;
use crate::domain::shared::limits::CROWD;

use super::live_sale::LiveSale;
use super::ports::{DecideError, Found};
use super::shop::Shop;

/// A cart with its sale.
#[derive(Debug, Clone)]
pub struct OpenCart {
    pub cart: Cart,
    pub sale: Arc<LiveSale>,
}

impl Shop {
    /// Returns the cart of this code; `None` if there is none, or if it has been bought.
    pub async fn cart(&self, claim: impl Into<Claim>) -> Result<Option<OpenCart>, StoreError> {
        let claim = claim.into();
        let code = claim.code;
        let Some(sale) = self.find_sale(code.sale).await? else { return Ok(None) };
        if sale.sale().closed {
            return Ok(None);
        }
        let epoch = self.enter(&sale)?;
        match epoch.check(self.store.find(epoch.number(), code).await)? {
            Some(Found::Cart(cart)) if claim.is_of(&cart.user) => Ok(Some(OpenCart { cart, sale })),
            Some(_) | None => Ok(None),
        }
    }

    /// Forgets carts of a sale that nobody has checked out for long, or that stand in the way of a crowd.
    pub async fn forget_idle_carts(&self, sale: &LiveSale) -> Result<(), StoreError> {
        // Recovery comes first.
        let Ok(epoch) = self.enter(sale) else { return Ok(()) };
        let idle = self.settings.cart_idle;
        epoch.check(self.store.forget_idle_carts(epoch.number(), &sale.sale(), idle, CROWD).await)
    }

    /// Takes every unit of an item out of a cart.
    pub async fn remove(&self, claim: impl Into<Claim>, item: ItemRef) -> Result<OpenCart, DecideError<RemoveRefusal>> {
        let claim = claim.into();
        let code = claim.code;
        let refused = |refusal| Err(DecideError::Refused(refusal));
        let Some(sale) = self.find_sale(code.sale).await? else { return refused(RemoveRefusal::CheckoutNotFound) };
        if sale.sale().closed {
            return refused(RemoveRefusal::Ended);
        }
        // In a cart, a bare number can only mean an item of the cart's own sale.
        let ordinal = match item {
            ItemRef::Id(id) if id.sale != code.sale => return refused(RemoveRefusal::ItemNotInCart),
            ItemRef::Id(id) => id.ordinal,
            ItemRef::InCurrentSale(ordinal) => ordinal,
        };
        // The owner of a code never changes, so the cart may be looked up first.
        if claim.user.is_some() && self.cart(claim).await?.is_none() {
            return refused(RemoveRefusal::CheckoutNotFound);
        }
        let epoch = self.enter(&sale)?;
        let cart = epoch.check(self.store.remove(epoch.number(), code, ordinal).await)?;
        Ok(OpenCart { cart, sale })
    }
}
