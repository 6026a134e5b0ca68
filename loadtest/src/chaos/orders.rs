//! The comparison of the orders with what their buyers were told, and with the charges of the provider.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Error;
use super::archive::{Archive, Order};
use super::history::History;
use super::provider::Charges;
use super::verdict::Verdict;
use super::world::World;

/// Longer than an order takes to end whose provider was silent until now.
const SETTLED_WITHIN: Duration = Duration::from_secs(120);

/// Orders that are not over, and payments whose result is not known.
const OPEN: &str = "SELECT (SELECT count(*) FROM orders WHERE deadline IS NOT NULL)
                         + (SELECT count(*) FROM payments WHERE state IN ('PENDING', 'REFUNDING'))";

/// Waits until all orders are over and all payments are settled. Returns the number of those that are not.
pub async fn settled(world: &World) -> Result<u64, Error> {
    let deadline = Instant::now() + SETTLED_WITHIN;
    loop {
        let open: i64 = world.postgres.primary.fetch(OPEN).await?;
        if open == 0 || Instant::now() > deadline {
            return Ok(open as u64);
        }
        sleep(Duration::from_millis(500)).await;
    }
}

/// Counts what is wrong about the orders.
pub fn judge(verdict: &mut Verdict, archive: &Archive, charges: &HashMap<String, Charges>, history: &mut History) {
    let mut notes = Vec::new();
    let mut count = |is_wrong: bool, what: &str, order: &dyn std::fmt::Debug| {
        if is_wrong {
            notes.push(format!("{what}: {order:?}"));
        }
        u64::from(is_wrong)
    };
    let mut known = 0;
    for (code, order) in &archive.orders {
        let charged = charges.get(&order.id).copied();
        known += usize::from(charged.is_some());
        let charged = charged.unwrap_or_default();
        let is_paid = order.status == "PAID";
        let with_charges = (order, charged);
        verdict.double_charge += count(charged.count > 1, "charged twice", &with_charges);
        let is_wrong = if is_paid { charged.amount > order.total } else { charged.count > 0 };
        verdict.charged_not_paid += count(is_wrong, "charged and not paid", &with_charges);
        verdict.paid_not_charged +=
            count(is_paid && charged.amount < order.total, "paid and not charged", &with_charges);
        let is_early = order.is_early || (order.is_cancelled && !history.cancelled.contains(code));
        verdict.ended_early += count(is_early, "over although nothing ended it", order);
        verdict.two_fates += count(has_another_fate(code, order, history), "told another state", order);
    }
    // Charges for what PostgreSQL does not know.
    verdict.charged_not_paid += (charges.len() - known) as u64;
    notes.into_iter().for_each(|note| history.note(note));
}

fn has_another_fate(code: &str, order: &Order, history: &History) -> bool {
    history.fates.get(code).is_some_and(|told| told.iter().any(|fate| *fate != order.status))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(status: &str) -> Order {
        let (id, status) = ("o-1".to_owned(), status.to_owned());
        Order { id, status, total: 200, is_early: false, is_cancelled: false }
    }

    fn judged(order: Order, charged: &[i64], told: &[&str]) -> String {
        let mut history = History::default();
        told.iter().for_each(|state| history.record_fate("c-1", state));
        let archive = Archive { orders: [("c-1".to_owned(), order)].into(), ..Archive::default() };
        let total = Charges { count: charged.len() as i64, amount: charged.iter().sum() };
        let charges = charged.first().map(|_| ("o-1".to_owned(), total)).into_iter().collect();
        let mut verdict = Verdict::default();
        judge(&mut verdict, &archive, &charges, &mut history);
        let verdict = verdict.to_string();
        verdict.split(' ').filter(|count| !count.ends_with("=0")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn charges_and_states_that_do_not_agree_are_counted() {
        assert_eq!(judged(order("PAID"), &[200], &["PAID"]), "");
        assert_eq!(judged(order("EXPIRED"), &[], &["EXPIRED"]), "");
        assert_eq!(judged(order("PAID"), &[200, 200], &[]), "double_charge=1 charged_not_paid=1");
        assert_eq!(judged(order("PAID"), &[100], &[]), "paid_not_charged=1");
        assert_eq!(judged(order("EXPIRED"), &[200], &[]), "charged_not_paid=1");
        assert_eq!(judged(order("PAID"), &[200], &["EXPIRED"]), "two_fates=1");
        assert_eq!(judged(Order { is_early: true, ..order("EXPIRED") }, &[], &[]), "ended_early=1");
        assert_eq!(judged(Order { is_cancelled: true, ..order("CANCELLED") }, &[], &[]), "ended_early=1");
    }
}
