//! The purchases that the service acknowledged. Each takes little memory: a digest replaces the receipt.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hasher};

use chrono::{DateTime, Utc};

use crate::api::{OrderStatus, Receipt};

/// All acknowledged purchases, and all items that were refused as sold.
#[derive(Debug, Default)]
pub struct Acknowledgements {
    purchases: HashMap<String, AcknowledgedPurchase>,
    refused: HashSet<String>,
    /// Items of which an order gave units back.
    returned: HashSet<String>,
}

/// One acknowledged purchase.
#[derive(Debug)]
struct AcknowledgedPurchase {
    digest: u64,
    sale: String,
    user: String,
    units: u64,
    items: Vec<(String, u32)>,
    /// Set if the purchase is an order that must be paid.
    pay_by: Option<DateTime<Utc>>,
    /// The end of the order, as the service told it first.
    end: Option<OrderStatus>,
}

impl AcknowledgedPurchase {
    /// Returns true unless its units are for sale again.
    fn is_owned(&self) -> bool {
        !matches!(self.end, Some(OrderStatus::Cancelled | OrderStatus::Expired))
    }
}

/// A receipt compared with earlier receipts for the same code.
#[derive(Debug, PartialEq, Eq)]
pub enum Acknowledgement {
    /// The first receipt for this code, with its number of units.
    First(u64),
    /// The same receipt as before.
    Repeated,
    /// Another receipt than before for the same code.
    Contradictory,
    /// Not a receipt, or a receipt with a wrong total.
    Invalid,
}

impl Acknowledgements {
    /// Records a receipt.
    pub fn record(&mut self, body: &[u8]) -> Acknowledgement {
        let Some((code, purchase)) = parse(body) else { return Acknowledgement::Invalid };
        match self.purchases.get(&code) {
            Some(before) if before.digest == purchase.digest => Acknowledgement::Repeated,
            Some(_) => Acknowledgement::Contradictory,
            None => {
                let units = purchase.units;
                self.purchases.insert(code, purchase);
                Acknowledgement::First(units)
            }
        }
    }

    /// Records items that were refused as sold.
    pub fn record_refused(&mut self, items: impl IntoIterator<Item = String>) {
        self.refused.extend(items);
    }

    /// Returns true if this item was refused as sold, and no order gave a unit of it back.
    pub fn was_refused(&self, item: &str) -> bool {
        self.refused.contains(item) && !self.returned.contains(item)
    }

    /// Returns the code of every order that must be paid, and the last time by which one must be.
    pub fn orders(&self) -> (Vec<String>, Option<DateTime<Utc>>) {
        let orders = self.purchases.iter().filter_map(|(code, purchase)| Some((code.clone(), purchase.pay_by?)));
        let (codes, times): (Vec<String>, Vec<DateTime<Utc>>) = orders.unzip();
        (codes, times.into_iter().max())
    }

    /// Notes that the service told this end of an order. Returns false if it told another end before.
    pub fn note_end(&mut self, code: &str, end: OrderStatus) -> bool {
        let Some(purchase) = self.purchases.get_mut(code) else { return true };
        let told = *purchase.end.get_or_insert(end);
        if !purchase.is_owned() {
            self.returned.extend(purchase.items.iter().map(|(item, _)| item.clone()));
        }
        told == end
    }

    /// Returns the code of every acknowledged purchase.
    pub fn codes(&self) -> Vec<String> {
        self.purchases.keys().cloned().collect()
    }

    /// Returns true if the purchase with this code was acknowledged with this receipt.
    pub fn is_receipt_of(&self, code: &str, body: &[u8]) -> bool {
        self.purchases.get(code).is_some_and(|purchase| purchase.digest == digest(body))
    }

    /// Returns the acknowledged units of each sale: those that are owned, and those that orders gave back.
    pub fn units_by_sale(&self) -> BTreeMap<String, (u64, u64)> {
        let mut units: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for purchase in self.purchases.values() {
            let (owned, returned) = units.entry(purchase.sale.clone()).or_default();
            *if purchase.is_owned() { owned } else { returned } += purchase.units;
        }
        units
    }

    /// Returns the owned units of each item of a sale.
    pub fn units_by_item(&self, sale: &str) -> HashMap<String, u32> {
        let mut units = HashMap::new();
        for (item, quantity) in self.purchases_of(sale).flat_map(|purchase| &purchase.items) {
            *units.entry(item.clone()).or_default() += quantity;
        }
        units
    }

    /// Returns the highest number of owned units of one user in this sale, and the number of users with more
    /// than `limit`.
    pub fn ownership(&self, sale: &str, limit: u32) -> (u64, u64) {
        let mut units: HashMap<&str, u64> = HashMap::new();
        for purchase in self.purchases_of(sale) {
            *units.entry(&purchase.user).or_default() += purchase.units;
        }
        let over = units.values().filter(|units| **units > u64::from(limit)).count();
        (units.into_values().max().unwrap_or(0), over as u64)
    }

    /// Iterates over the purchases of a sale whose units are owned.
    fn purchases_of(&self, sale: &str) -> impl Iterator<Item = &AcknowledgedPurchase> {
        self.purchases.values().filter(move |purchase| purchase.sale == sale && purchase.is_owned())
    }
}

fn parse(body: &[u8]) -> Option<(String, AcknowledgedPurchase)> {
    let receipt: Receipt = serde_json::from_slice(body).ok()?;
    let items: Vec<_> =
        receipt.purchased_items.into_iter().filter(|line| line.sold).map(|line| (line.id, line.quantity)).collect();
    let units: u64 = items.iter().map(|(_, quantity)| u64::from(*quantity)).sum();
    let purchase = AcknowledgedPurchase {
        digest: digest(body),
        sale: receipt.sale_id,
        user: receipt.user_id,
        units,
        items,
        pay_by: receipt.pay_by,
        end: None,
    };
    (units == receipt.total_purchased && units > 0).then_some((receipt.code, purchase))
}

/// Returns a digest of the receipt from its order id on. The first receipt of a purchase without a cart has an extra
/// message before it.
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

    /// Returns a receipt for one unit of each item.
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
    fn a_repeated_receipt_must_equal_the_first_one() {
        let mut acknowledgements = Acknowledgements::default();
        let first = receipt("c1", "ann", &["s-1", "s-2"]);
        assert_eq!(acknowledgements.record(first.as_bytes()), Acknowledgement::First(2));
        assert_eq!(acknowledgements.record(first.as_bytes()), Acknowledgement::Repeated);
        let with_message = first.replace("true,\"order_id", "true,\"message\":\"m\",\"order_id");
        assert_ne!(with_message, first);
        assert_eq!(acknowledgements.record(with_message.as_bytes()), Acknowledgement::Repeated);
        let other = receipt("c1", "ann", &["s-1"]);
        assert_eq!(acknowledgements.record(other.as_bytes()), Acknowledgement::Contradictory);
        assert!(
            acknowledgements.is_receipt_of("c1", first.as_bytes())
                && !acknowledgements.is_receipt_of("c1", other.as_bytes())
        );
        assert_eq!(acknowledgements.record(b"{}"), Acknowledgement::Invalid);
        let wrong_sum = first.replace("\"total_purchased\":2", "\"total_purchased\":3").replace("c1", "c3");
        assert_eq!(acknowledgements.record(wrong_sum.as_bytes()), Acknowledgement::Invalid);
    }

    #[test]
    fn units_are_summed_by_sale_by_item_and_by_owner() {
        let mut acknowledgements = Acknowledgements::default();
        acknowledgements.record(receipt("c1", "ann", &["s-1", "s-2"]).as_bytes());
        acknowledgements.record(receipt("c2", "ann", &["s-2"]).as_bytes());
        let missed = receipt("c3", "bob", &["s-3", "s-4"]).replacen("true},{", "false},{", 1);
        acknowledgements.record(missed.replace("total_purchased\":2", "total_purchased\":1").as_bytes());
        assert_eq!(acknowledgements.units_by_sale(), [("s".to_owned(), (4, 0))].into());
        assert_eq!(
            acknowledgements.units_by_item("s"),
            [("s-1", 1), ("s-2", 2), ("s-4", 1)].map(|(item, units)| (item.to_owned(), units)).into()
        );
        assert_eq!((acknowledgements.ownership("s", 3), acknowledgements.ownership("s", 2)), ((3, 0), (3, 1)));
    }

    #[test]
    fn units_of_an_order_that_ended_without_payment_are_owned_by_nobody() {
        let mut acknowledgements = Acknowledgements::default();
        for (code, items) in [("c1", ["s-1", "s-2"]), ("c2", ["s-3", "s-4"])] {
            let order = receipt(code, "ann", &items)
                .replace("true,\"order_id", r#"true,"pay_by":"2026-11-20T09:00:00Z","order_id"#);
            assert_eq!(acknowledgements.record(order.as_bytes()), Acknowledgement::First(2));
        }
        assert_eq!(acknowledgements.orders().0.len(), 2);
        acknowledgements.record_refused(["s-1", "s-3", "s-9"].map(str::to_owned));
        assert!(
            acknowledgements.note_end("c1", OrderStatus::Expired) && acknowledgements.note_end("c2", OrderStatus::Paid)
        );
        assert!(!acknowledgements.note_end("c1", OrderStatus::Paid));
        assert_eq!(acknowledgements.units_by_sale(), [("s".to_owned(), (2, 2))].into());
        assert_eq!(acknowledgements.units_by_item("s").len(), 2);
        assert_eq!(acknowledgements.ownership("s", 2), (2, 0));
        assert_eq!(["s-1", "s-3", "s-9"].map(|item| acknowledgements.was_refused(item)), [false, true, true]);
    }
}
