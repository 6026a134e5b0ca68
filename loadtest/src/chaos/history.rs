//! The answers that the shoppers got.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use bytes::Bytes;
use tokio::time::Instant;

use super::claims::{Account, Claims};
use super::order::Order;
use super::purchase::{Name, Purchase};
use super::verdict::USER_LIMIT;
use crate::acknowledgements::{Acknowledgement, Acknowledgements};
use crate::api::Receipt;
use crate::outcome::Refusal;

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
    /// The carts by their code. Several shoppers may share a cart.
    pub carts: HashMap<String, Cart>,
    /// The units that each user may have.
    pub claims: Claims,
    /// Sales that outlast the run.
    pub lasting_sales: Vec<String>,
    /// The time since which Redis has kept all carts. `None` while it may lose some.
    pub carts_kept_since: Option<Instant>,
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

/// A cart, as its users filled it.
pub struct Cart {
    pub items: HashSet<String>,
    /// The time at which the last checkout was sent.
    pub filled_at: Instant,
}

impl History {
    /// Returns the history of a run with these sales, which outlast it.
    pub fn new(lasting_sales: Vec<String>) -> Self {
        History { lasting_sales, ..History::default() }
    }

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

    /// Counts a refusal of a request, and whether it can be true: the user must have enough units for a limit, and a sale
    /// that outlasts the run does not end. The request was first sent at this time.
    pub fn record_refusal_of(&mut self, account: &Account, since: Instant, refusal: Refusal) {
        self.record_refusal(refusal.code());
        let units = self.claims.units_since(account, since);
        let is_false = match refusal {
            Refusal::SaleEnded => self.lasting_sales.contains(&account.sale),
            Refusal::UserLimitReached | Refusal::CartFull => units <= USER_LIMIT,
            _ => false,
        };
        if is_false {
            let code = refusal.code();
            self.record_false_refusal(format!("{code} for {account:?}, who can have at most {units} units with this"));
        }
    }

    /// Counts the answer that there is no such cart. Redis may forget a cart only with its sale or in a fault.
    pub fn record_missing_cart(&mut self, account: &Account, code: &str) {
        self.record_refusal("checkout_not_found");
        let was_kept = |cart: &Cart| self.carts_kept_since.is_some_and(|since| since < cart.filled_at);
        if self.lasting_sales.contains(&account.sale) && self.carts.get(code).is_some_and(was_kept) {
            self.record_false_refusal(format!("checkout_not_found for {code}, which {account:?} filled lately"));
        }
    }

    /// Records that a checkout, which was sent at this time, put items into a cart.
    pub fn record_cart(&mut self, code: &str, items: &[String], filled_at: Instant) {
        let new = || Cart { items: HashSet::new(), filled_at };
        let cart = self.carts.entry(code.to_owned()).or_insert_with(new);
        cart.items.extend(items.iter().cloned());
        cart.filled_at = cart.filled_at.max(filled_at);
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
        let items = cart.into_iter().flat_map(|cart| &cart.items);
        self.doubtful_items.extend(items.chain(item).cloned());
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

    fn ann(sale: &str) -> Account {
        Account { sale: sale.to_owned(), user: "ann".to_owned() }
    }

    fn told(told: impl FnOnce(&mut History)) -> u64 {
        let mut history = History::new(vec!["long".to_owned()]);
        told(&mut history);
        history.false_refusals
    }

    #[test]
    fn a_limit_is_reached_only_by_a_user_who_may_have_more_units() {
        let limit = |units, refusal| {
            told(|history| {
                history.claims.open(&ann("long"), "r-1", units);
                history.record_refusal_of(&ann("long"), Instant::now(), refusal);
            })
        };
        assert_eq!((limit(10, Refusal::UserLimitReached), limit(11, Refusal::UserLimitReached)), (1, 0));
        assert_eq!((limit(10, Refusal::CartFull), limit(11, Refusal::CartFull)), (1, 0));
        assert_eq!(limit(1, Refusal::SoldOut), 0);
    }

    #[test]
    fn a_sale_that_outlasts_the_run_has_not_ended() {
        let ended = |sale| told(|history| history.record_refusal_of(&ann(sale), Instant::now(), Refusal::SaleEnded));
        assert_eq!((ended("long"), ended("hourly")), (1, 0));
    }

    #[test]
    fn a_cart_is_missing_only_after_its_sale_or_a_loss_of_redis() {
        let start = Instant::now();
        let later = start + std::time::Duration::from_secs(1);
        let missing = |sale, kept_since, filled_at| {
            told(|history| {
                history.carts_kept_since = kept_since;
                history.record_cart("c-1", &["s-1".to_owned()], filled_at);
                history.record_missing_cart(&ann(sale), "c-1");
            })
        };
        assert_eq!(missing("long", Some(start), later), 1);
        assert_eq!(missing("hourly", Some(start), later), 0);
        assert_eq!(missing("long", Some(later), start), 0);
        assert_eq!(missing("long", None, later), 0);
    }
}
