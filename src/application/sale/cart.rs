//! Showing a cart and removing items from it.

use std::sync::Arc;

use crate::application::shared::StoreError;
use crate::domain::sale::{Cart, ItemRef, RemoveRefusal};
use crate::domain::shared::CheckoutCode;

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
    pub async fn cart(&self, code: CheckoutCode) -> Result<Option<OpenCart>, StoreError> {
        let Some(sale) = self.find_sale(code.sale).await? else { return Ok(None) };
        if sale.sale().closed {
            return Ok(None);
        }
        let epoch = self.enter(&sale)?;
        match epoch.check(self.store.find(epoch.number(), code).await)? {
            Some(Found::Cart(cart)) => Ok(Some(OpenCart { cart, sale })),
            Some(Found::Purchase(_)) | None => Ok(None),
        }
    }

    /// Takes every unit of an item out of a cart.
    pub async fn remove(&self, code: CheckoutCode, item: ItemRef) -> Result<OpenCart, DecideError<RemoveRefusal>> {
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
        let epoch = self.enter(&sale)?;
        let cart = epoch.check(self.store.remove(epoch.number(), code, ordinal).await)?;
        Ok(OpenCart { cart, sale })
    }
}
