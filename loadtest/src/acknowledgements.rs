//! What shoppers were told they own. Kept compactly: one entry a purchase, and a digest in place of its receipt.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hasher};

use crate::api::Receipt;

/// Everything that was acknowledged, and every item that was refused as sold.
#[derive(Debug, Default)]
pub struct Told {
    purchases: HashMap<String, Purchase>,
    refused: HashSet<String>,
}

/// One acknowledged purchase.
#[derive(Debug)]
pub struct Purchase {
    digest: u64,
    sale: String,
    user: String,
    units: u64,
    items: Vec<(String, u32)>,
}

/// What an acknowledgement is, beside those before it.
#[derive(Debug, PartialEq, Eq)]
pub enum Acknowledged {
    /// The first of this purchase, of so many units.
    First(u64),
    /// The same as before.
    Again,
    /// Another receipt than before for the same code.
    Contradiction,
    /// Not a receipt, or one whose sums are wrong.
    Unreadable,
}

impl Told {
    /// Remembers what a shopper was told.
    pub fn acknowledge(&mut self, body: &[u8]) -> Acknowledged {
        let Some((code, purchase)) = read(body) else { return Acknowledged::Unreadable };
        match self.purchases.get(&code) {
            Some(before) if before.digest == purchase.digest => Acknowledged::Again,
            Some(_) => Acknowledged::Contradiction,
            None => {
                let units = purchase.units;
                self.purchases.insert(code, purchase);
                Acknowledged::First(units)
            }
        }
    }

    /// Remembers items that were refused as sold.
    pub fn refuse(&mut self, items: impl IntoIterator<Item = String>) {
        self.refused.extend(items);
    }

    /// Whether somebody was told that this item is sold.
    pub fn was_refused(&self, item: &str) -> bool {
        self.refused.contains(item)
    }

    /// Every acknowledged purchase by its code.
    pub fn codes(&self) -> Vec<String> {
        self.purchases.keys().cloned().collect()
    }

    /// Whether this is the receipt that was acknowledged for this code.
    pub fn is_receipt_of(&self, code: &str, body: &[u8]) -> bool {
        self.purchases.get(code).is_some_and(|purchase| purchase.digest == digest(body))
    }

    /// Acknowledged units by sale.
    pub fn units_by_sale(&self) -> BTreeMap<String, u64> {
        let mut units = BTreeMap::new();
        for purchase in self.purchases.values() {
            *units.entry(purchase.sale.clone()).or_default() += purchase.units;
        }
        units
    }

    /// Acknowledged units by item.
    pub fn units_by_item(&self) -> HashMap<String, u32> {
        let mut units = HashMap::new();
        for (item, quantity) in self.purchases.values().flat_map(|purchase| &purchase.items) {
            *units.entry(item.clone()).or_default() += quantity;
        }
        units
    }

    /// The most units that one user was told to own of this sale, and how many users own more than `limit`.
    pub fn owners(&self, sale: &str, limit: u32) -> (u64, u64) {
        let mut units: HashMap<&str, u64> = HashMap::new();
        for purchase in self.purchases.values().filter(|purchase| purchase.sale == sale) {
            *units.entry(&purchase.user).or_default() += purchase.units;
        }
        let over = units.values().filter(|units| **units > u64::from(limit)).count();
        (units.into_values().max().unwrap_or(0), over as u64)
    }
}

fn read(body: &[u8]) -> Option<(String, Purchase)> {
    let receipt: Receipt = serde_json::from_slice(body).ok()?;
    let items: Vec<_> =
        receipt.purchased_items.into_iter().filter(|line| line.sold).map(|line| (line.id, line.quantity)).collect();
    let units: u64 = items.iter().map(|(_, quantity)| u64::from(*quantity)).sum();
    let purchase = Purchase { digest: digest(body), sale: receipt.sale_id, user: receipt.user_id, units, items };
    (units == receipt.total_purchased && units > 0).then_some((receipt.code, purchase))
}

/// Of the receipt proper: one that was bought without a cart begins with a message when it is new.
fn digest(body: &[u8]) -> u64 {
    const START: &[u8] = b"\"order_id\"";
    let start = body.windows(START.len()).position(|window| window == START).unwrap_or(0);
    let mut hasher = DefaultHasher::new();
    hasher.write(&body[start..]);
    hasher.finish()
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A receipt for one unit of each item.
    pub fn receipt(code: &str, user: &str, items: &[&str]) -> String {
        let line = |id: &&str| format!(r#"{{"id":"{id}","name":"Lamp","price":"1.00","quantity":1,"sold":true}}"#);
        let lines = items.iter().map(line).collect::<Vec<_>>().join(",");
        format!(
            r#"{{"success":true,"order_id":"o-{code}","code":"{code}","sale_id":"s","user_id":"{user}",
            "purchased_items":[{lines}],"total_purchased":{}}}"#,
            items.len()
        )
    }

    #[test]
    fn a_receipt_is_told_once_and_must_stay_the_same() {
        let mut told = Told::default();
        let first = receipt("c1", "ann", &["s-1", "s-2"]);
        assert_eq!(told.acknowledge(first.as_bytes()), Acknowledged::First(2));
        assert_eq!(told.acknowledge(first.as_bytes()), Acknowledged::Again);
        let with_message = first.replace("true,\"order_id", "true,\"message\":\"m\",\"order_id");
        assert_ne!(with_message, first);
        assert_eq!(told.acknowledge(with_message.as_bytes()), Acknowledged::Again);
        let other = receipt("c1", "ann", &["s-1"]);
        assert_eq!(told.acknowledge(other.as_bytes()), Acknowledged::Contradiction);
        assert!(told.is_receipt_of("c1", first.as_bytes()) && !told.is_receipt_of("c1", other.as_bytes()));
        assert_eq!(told.acknowledge(b"{}"), Acknowledged::Unreadable);
        let wrong_sum = first.replace("\"total_purchased\":2", "\"total_purchased\":3").replace("c1", "c3");
        assert_eq!(told.acknowledge(wrong_sum.as_bytes()), Acknowledged::Unreadable);
    }

    #[test]
    fn units_are_summed_by_sale_by_item_and_by_owner() {
        let mut told = Told::default();
        told.acknowledge(receipt("c1", "ann", &["s-1", "s-2"]).as_bytes());
        told.acknowledge(receipt("c2", "ann", &["s-2"]).as_bytes());
        let missed = receipt("c3", "bob", &["s-3", "s-4"]).replacen("true},{", "false},{", 1);
        told.acknowledge(missed.replace("total_purchased\":2", "total_purchased\":1").as_bytes());
        assert_eq!(told.units_by_sale(), [("s".to_owned(), 4)].into());
        assert_eq!(
            told.units_by_item(),
            [("s-1", 1), ("s-2", 2), ("s-4", 1)].map(|(item, units)| (item.to_owned(), units)).into()
        );
        assert_eq!((told.owners("s", 3), told.owners("s", 2)), ((3, 0), (3, 1)));
    }
}
