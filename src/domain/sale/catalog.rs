//! The catalog: the items of one sale. It never changes once the sale exists.

use crate::domain::shared::limits::{SALE_ITEMS_MAX, SALE_UNITS_MAX};
use crate::domain::shared::{Currency, Invalid, Money, Ordinal};

use super::{CartLine, Item};

/// An item that the catalog does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sale has no item {0}")]
pub struct UnknownItem(pub Ordinal);

/// All items of a sale; the item with ordinal `n` is the `n`-th.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    currency: Currency,
    items: Vec<Item>,
}

impl Catalog {
    /// A catalog of at least one item, within the limits of a sale.
    pub fn new(currency: Currency, items: Vec<Item>) -> Result<Self, Invalid> {
        if items.is_empty() || items.len() > SALE_ITEMS_MAX as usize {
            return Err(Invalid::new(format!("a sale has 1 to {SALE_ITEMS_MAX} items")));
        }
        let units: u64 = items.iter().map(|item| u64::from(item.stock())).sum();
        if units > u64::from(SALE_UNITS_MAX) {
            return Err(Invalid::new(format!("a sale has at most {SALE_UNITS_MAX} units")));
        }
        Ok(Catalog { currency, items })
    }

    /// A catalog of generated items with one unit each. The same number gives the same items.
    pub fn generated(items: u32) -> Result<Self, Invalid> {
        const KINDS: [&str; 12] = [
            "Lamp", "Chair", "Clock", "Kettle", "Camera", "Jacket", "Backpack", "Watch", "Speaker", "Vase", "Bicycle",
            "Guitar",
        ];
        const STYLES: [&str; 10] =
            ["Oak", "Copper", "Linen", "Marble", "Walnut", "Velvet", "Brass", "Cobalt", "Amber", "Slate"];
        let item = |ordinal: u32| {
            let kind = KINDS[ordinal as usize % KINDS.len()];
            let style = STYLES[(ordinal as usize / KINDS.len()) % STYLES.len()];
            let price = Money::from_cents(990 + ordinal.wrapping_mul(7_919) % 19_000);
            Item::new(format!("{style} {kind} No. {ordinal}"), generated_image(ordinal), price, 1)
        };
        Catalog::new(Currency::EUR, (1..=items.min(SALE_ITEMS_MAX + 1)).map(item).collect::<Result<_, _>>()?)
    }

    /// Returns the currency of every price.
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// Returns the item with this ordinal, if the sale has it.
    pub fn item(&self, ordinal: Ordinal) -> Option<&Item> {
        self.items.get(ordinal.index())
    }

    /// Iterates over all items with their ordinals, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Ordinal, &Item)> {
        (1..).map_while(|number| Ordinal::try_from(number).ok()).zip(&self.items)
    }

    /// Returns the number of items.
    pub fn items(&self) -> u32 {
        self.items.len() as u32
    }

    /// Returns the units of all items together.
    pub fn units(&self) -> u32 {
        self.items.iter().map(Item::stock).sum()
    }

    /// Returns the price of these lines together.
    pub fn total(&self, lines: &[CartLine]) -> Result<Money, UnknownItem> {
        let price = |line: &CartLine| {
            let item = self.item(line.ordinal).ok_or(UnknownItem(line.ordinal))?;
            Ok(item.price().times(line.quantity.get()))
        };
        lines.iter().map(price).sum()
    }
}

/// Returns the address of the picture of a generated item. No such picture exists.
pub fn generated_image(ordinal: u32) -> String {
    format!("/images/{ordinal:05}.jpg")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_sale_has_exactly_the_items_asked_for() {
        let catalog = Catalog::generated(100).unwrap();
        assert_eq!((catalog.items(), catalog.units()), (100, 100));
        assert_eq!(catalog, Catalog::generated(100).unwrap());
        assert!(Catalog::generated(0).is_err());
        assert!(Catalog::generated(SALE_ITEMS_MAX + 1).is_err());
        assert!(Catalog::generated(u32::MAX).is_err());
    }
}
