//! The answers that the shoppers got.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use bytes::Bytes;

use super::order::Order;
use super::purchase::{Name, Purchase};
use crate::acknowledgements::{Acknowledgement, Acknowledgements};
use crate::api::Receipt;

/// Observations that are printed; others are only counted.
const NOTES_MAX: usize = 20;

/// Everything that the shoppers of a run were told.
#[derive(Default)]
pub struct History {
    pub acknowledgements: Acknowledgements,
    /// The receipt of each acknowledged purchase.
    pub receipts: HashMap<String, Receipt>,
    /// Codes with more than one receipt.
    pub double_receipts: u64,
    /// Refusals that cannot be true, whatever else happened.
    pub false_refusals: u64,
    /// The items that were put into each cart. Several shoppers may share a cart.
    pub carts: HashMap<String, HashSet<String>>,
    /// Purchases that were acknowledged, by the name that they were asked for with.
    pub bought: HashSet<Name>,
    /// Purchases that were refused, and all of whose requests were answered.
    pub refused: HashSet<Name>,
    /// Purchases of which no answer gave the outcome yet.
    pub unknown: Vec<Purchase>,
    /// Items that a request with an unknown outcome may have had for a while.
    pub doubtful_items: HashSet<String>,
    /// The final states that were told of each order, by its code.
    pub fates: HashMap<String, BTreeSet<String>>,
    /// Codes of the orders that somebody asked to cancel.
    pub cancelled: HashSet<String>,
    /// Refusals by their code.
    pub refusals: BTreeMap<String, u64>,
    /// Observations, in words.
    pub notes: Vec<String>,
}

impl History {
    /// Returns the number of acknowledged purchases.
    pub fn acknowledged(&self) -> usize {
        self.receipts.len()
    }

    /// Records a receipt.
    pub fn record_receipt(&mut self, body: &Bytes) {
        match self.acknowledgements.record(body) {
            Acknowledgement::First(_units) => {
                if let Ok(receipt) = serde_json::from_slice::<Receipt>(body) {
                    self.receipts.insert(receipt.code.clone(), receipt);
                }
            }
            Acknowledgement::Repeated => {}
            Acknowledgement::Contradictory => {
                self.double_receipts += 1;
                self.note(format!("another receipt for the same code: {}", String::from_utf8_lossy(body)));
            }
            Acknowledgement::Invalid => {
                self.false_refusals += 1;
                self.note(format!("200 without a receipt: {}", String::from_utf8_lossy(body)));
            }
        }
    }

    /// Returns the order of a user who bought once.
    pub fn order_of(&self, user: &str) -> Option<Order> {
        let receipt = self.receipts.values().find(|receipt| receipt.user_id == user)?;
        Some(Order { code: receipt.code.clone(), user: receipt.user_id.clone() })
    }

    /// Counts a refusal.
    pub fn record_refusal(&mut self, code: &str) {
        *self.refusals.entry(code.to_owned()).or_default() += 1;
    }

    /// Counts a refusal that cannot be true.
    pub fn record_false_refusal(&mut self, note: String) {
        self.false_refusals += 1;
        self.note(note);
    }

    /// Records that an order was told to be in this state.
    pub fn record_fate(&mut self, code: &str, state: &str) {
        if matches!(state, "PAID" | "CANCELLED" | "EXPIRED") {
            self.fates.entry(code.to_owned()).or_default().insert(state.to_owned());
        }
    }

    /// Records that the items of a purchase may be taken by a request whose outcome is unknown.
    pub fn record_doubt(&mut self, name: &Name, item: Option<&String>) {
        let cart = match name {
            Name::Code(code) => self.carts.get(code),
            Name::Request { .. } => None,
        };
        self.doubtful_items.extend(cart.into_iter().flatten().chain(item).cloned());
    }

    /// Keeps an observation for the report.
    pub fn note(&mut self, note: String) {
        if self.notes.len() < NOTES_MAX {
            self.notes.push(note);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::acknowledgements::tests::receipt;

    use super::*;

    #[test]
    fn a_second_receipt_for_a_code_is_counted() {
        let mut history = History::default();
        let first = Bytes::from(receipt("c1", "ann", &["s-1"]));
        history.record_receipt(&first);
        history.record_receipt(&first);
        assert_eq!((history.acknowledged(), history.double_receipts), (1, 0));
        history.record_receipt(&Bytes::from(receipt("c1", "ann", &["s-2"])));
        assert_eq!((history.acknowledged(), history.double_receipts), (1, 1));
    }
}
