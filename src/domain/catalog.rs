//! The items of one sale. They never change once the sale exists.

use super::limits::{SALE_ITEMS_MAX, SALE_UNITS_MAX};
use super::{CartLine, Currency, Invalid, Item, Money, Ordinal};

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
            return Err(Invalid("a sale has 1 to 99999 items"));
        }
        let units: u64 = items.iter().map(|item| u64::from(item.stock())).sum();
        if units > u64::from(SALE_UNITS_MAX) {
            return Err(Invalid("a sale has at most 1000000 units"));
        }
        Ok(Catalog { currency, items })
    }

    /// Items made up for a sale that nobody stocked by hand: one of a kind each, the same ones for the
    /// same number of items.
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
            Item::new(format!("{style} {kind} No. {ordinal}"), format!("/images/{ordinal:05}.jpg"), price, 1)
        };
        Catalog::new(Currency::EUR, (1..=items.min(SALE_ITEMS_MAX + 1)).map(item).collect::<Result<_, _>>()?)
    }

    /// The currency of every price.
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// The item with this ordinal, if the sale has it.
    pub fn item(&self, ordinal: Ordinal) -> Option<&Item> {
        self.items.get(ordinal.index())
    }

    /// Every item with its ordinal, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Ordinal, &Item)> {
        (1..).map_while(|number| Ordinal::try_from(number).ok()).zip(&self.items)
    }

    /// How many items there are.
    pub fn items(&self) -> u32 {
        self.items.len() as u32
    }

    /// How many units the items have together.
    pub fn units(&self) -> u32 {
        self.items.iter().map(Item::stock).sum()
    }

    /// What these lines cost together. A line that the catalog does not know costs nothing.
    pub fn total(&self, lines: &[CartLine]) -> Money {
        lines.iter().filter_map(|line| Some(self.item(line.ordinal)?.price().times(line.quantity.get()))).sum()
    }
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
        assert!(Catalog::generated(100_000).is_err());
        assert!(Catalog::generated(u32::MAX).is_err());
    }
}
