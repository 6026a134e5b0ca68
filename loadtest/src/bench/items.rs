//! Items to sell: numbered from zero, spread over one sale or several.

use std::fmt;
use std::rc::Rc;

/// A range of the items of some sales.
#[derive(Debug, Clone)]
pub struct Items {
    sales: Rc<[String]>,
    /// Items of each sale before this range.
    first: u64,
    /// Items in all sales together.
    pub count: u64,
}

/// The id of an item, `20261120T09-00042`.
#[derive(Debug, Clone, Copy)]
pub struct ItemId<'a> {
    sale: &'a str,
    number: u64,
}

impl Items {
    /// All items of these sales, each of which has `each` items.
    pub fn all(sales: Vec<String>, each: u64) -> Self {
        Items { count: sales.len() as u64 * each, sales: sales.into(), first: 0 }
    }

    /// Returns the first sale.
    pub fn sale(&self) -> &str {
        &self.sales[0]
    }

    /// Returns the id of the item with this number, from zero. Consecutive numbers go round the sales.
    pub fn id(&self, number: u64) -> ItemId<'_> {
        let sales = self.sales.len() as u64;
        ItemId { sale: &self.sales[(number % sales) as usize], number: self.first + number / sales + 1 }
    }

    /// Returns the first `wanted` items or a few more, and the rest; `None` if there are fewer.
    pub fn split(&self, wanted: u64) -> Option<(Items, Items)> {
        let sales = self.sales.len() as u64;
        let each = wanted.div_ceil(sales);
        let taken = Items { count: each * sales, ..self.clone() };
        let rest = Items { first: self.first + each, count: self.count.checked_sub(taken.count)?, ..self.clone() };
        Some((taken, rest))
    }
}

impl fmt::Display for ItemId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:05}", self.sale, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_item_is_taken_twice() {
        let mut rest = Items::all(vec!["a".to_owned(), "b".to_owned()], 3);
        let mut ids = Vec::new();
        while let Some((items, others)) = rest.split(3) {
            ids.extend((0..items.count).map(|number| items.id(number).to_string()));
            rest = others;
        }
        assert_eq!(ids, ["a-00001", "b-00001", "a-00002", "b-00002"]);
        assert_eq!(rest.split(2).unwrap().0.id(1).to_string(), "b-00003");
    }
}
