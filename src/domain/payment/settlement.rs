//! The meaning of what the provider says for an attempt and its order.

use crate::domain::ordering::{Order, OrderEvent, OrderStatus};
use crate::domain::shared::limits::{PAYMENT_ATTEMPTS, PAYMENT_MISTAKES};

use super::{Attempt, AttemptState};

/// The state of an intent at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntentState {
    /// It waits for its confirmation.
    Unconfirmed,
    /// The provider has not decided.
    Processing,
    Declined,
    Succeeded,
    Cancelled,
}

impl IntentState {
    /// Returns true if the provider has decided, so that an attempt can be settled.
    pub fn is_decided(self) -> bool {
        !matches!(self, IntentState::Unconfirmed | IntentState::Processing)
    }
}

/// The consequence of what the provider says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settlement {
    /// The state of the attempt from now on.
    pub attempt: AttemptState,
    /// The event that happens to the order, if any.
    pub event: Option<OrderEvent>,
}

impl Settlement {
    /// Returns the consequence for an attempt and its order; `None` if there is none.
    pub fn of(order: &Order, attempt: &Attempt, found: IntentState) -> Option<Settlement> {
        let is_pending = order.status == OrderStatus::PaymentPending && attempt.state == AttemptState::Pending;
        let (state, event) = match (attempt.state, found) {
            _ if !found.is_decided() => return None,
            (AttemptState::Pending, IntentState::Succeeded) if is_pending => {
                (AttemptState::Succeeded, Some(OrderEvent::Captured))
            }
            // Money for an order that had ended.
            (AttemptState::Pending | AttemptState::Declined | AttemptState::Cancelled, IntentState::Succeeded) => {
                (AttemptState::Refunding, None)
            }
            (AttemptState::Pending, IntentState::Declined) => {
                (AttemptState::Declined, is_pending.then(|| after_decline(order, attempt)))
            }
            // Without a reason to end the order, its means of payment was a mistake.
            (AttemptState::Pending, IntentState::Cancelled)
                if attempt.closing.is_none() && attempt.number > PAYMENT_MISTAKES =>
            {
                (AttemptState::Declined, is_pending.then(|| after_decline(order, attempt)))
            }
            (AttemptState::Pending, IntentState::Cancelled) => {
                let event = attempt.closing.as_ref().map_or(OrderEvent::Declined, |closing| closing.event);
                (AttemptState::Cancelled, is_pending.then_some(event))
            }
            _ => return None,
        };
        Some(Settlement { attempt: state, event })
    }
}

fn after_decline(order: &Order, attempt: &Attempt) -> OrderEvent {
    match &attempt.closing {
        Some(closing) => closing.event,
        None if order.declines + 1 >= PAYMENT_ATTEMPTS => OrderEvent::LastDeclined,
        None => OrderEvent::Declined,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use strum::VariantArray;

    use crate::domain::ordering::Version;
    use crate::domain::payment::Closing;

    use super::*;

    const FOUND: [IntentState; 5] = [
        IntentState::Unconfirmed,
        IntentState::Processing,
        IntentState::Declined,
        IntentState::Succeeded,
        IntentState::Cancelled,
    ];

    fn order(status: OrderStatus, declines: u32) -> Order {
        let id = "20261120T09-1763632800000-0".parse().unwrap();
        let pay_by = "2026-11-20T10:10:00Z".parse().unwrap();
        Order {
            id,
            status,
            version: Version(2),
            pay_by,
            deadline: None,
            reason: None,
            note: None,
            declines,
            returned_at: None,
        }
    }

    fn attempt(state: AttemptState, closing: Option<OrderEvent>) -> Attempt {
        Attempt {
            order: order(OrderStatus::Paid, 0).id,
            number: 1,
            intent: None,
            method: "pm_ok".parse().unwrap(),
            amount: super::super::MinorUnits(1),
            currency: crate::domain::shared::Currency::EUR,
            state,
            closing: closing.map(|event| Closing { event, note: None, elapsed: Duration::ZERO }),
        }
    }

    #[test]
    fn an_order_is_paid_only_by_a_capture_while_it_waits_for_one() {
        for status in OrderStatus::VARIANTS {
            for state in AttemptState::VARIANTS {
                for found in FOUND {
                    let settlement = Settlement::of(&order(*status, 0), &attempt(*state, None), found);
                    let is_paid = settlement.is_some_and(|settlement| settlement.event == Some(OrderEvent::Captured));
                    let may_be = (*status, *state, found)
                        == (OrderStatus::PaymentPending, AttemptState::Pending, IntentState::Succeeded);
                    assert_eq!(is_paid, may_be, "{status} {state:?} {found:?}");
                    if let Some(event) = settlement.and_then(|settlement| settlement.event) {
                        assert!(status.after(event).is_some(), "{status} {state:?} {found:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn money_that_comes_too_late_is_given_back() {
        for status in [OrderStatus::Cancelled, OrderStatus::Expired] {
            for state in [AttemptState::Pending, AttemptState::Declined, AttemptState::Cancelled] {
                let settlement = Settlement::of(&order(status, 0), &attempt(state, None), IntentState::Succeeded);
                assert_eq!(settlement, Some(Settlement { attempt: AttemptState::Refunding, event: None }));
            }
            for state in [AttemptState::Refunding, AttemptState::Refunded] {
                assert_eq!(Settlement::of(&order(status, 0), &attempt(state, None), IntentState::Succeeded), None);
            }
        }
    }

    #[test]
    fn mistakes_cost_nothing_at_first_and_end_the_order_in_the_end() {
        let mut order = order(OrderStatus::PaymentPending, 0);
        let mut number = 0;
        let last = loop {
            number += 1;
            let mistake = Attempt { number, ..attempt(AttemptState::Pending, None) };
            let settlement = Settlement::of(&order, &mistake, IntentState::Cancelled).unwrap();
            order.declines += u32::from(settlement.attempt == AttemptState::Declined);
            assert_eq!(order.declines, number.saturating_sub(PAYMENT_MISTAKES));
            if settlement.event != Some(OrderEvent::Declined) {
                break settlement;
            }
        };
        assert_eq!((last.event, number), (Some(OrderEvent::LastDeclined), PAYMENT_MISTAKES + PAYMENT_ATTEMPTS));
    }

    #[test]
    fn the_last_declined_payment_or_a_cancellation_under_way_ends_the_order() {
        let pending = |declines| order(OrderStatus::PaymentPending, declines);
        let event = |order: &Order, attempt: &Attempt, found| Settlement::of(order, attempt, found).unwrap().event;
        let plain = attempt(AttemptState::Pending, None);
        let found = IntentState::Declined;
        assert_eq!(event(&pending(0), &plain, found), Some(OrderEvent::Declined));
        assert_eq!(event(&pending(PAYMENT_ATTEMPTS - 1), &plain, found), Some(OrderEvent::LastDeclined));
        let closing = attempt(AttemptState::Pending, Some(OrderEvent::CancelledByUser));
        for found in [IntentState::Declined, IntentState::Cancelled] {
            assert_eq!(event(&pending(0), &closing, found), Some(OrderEvent::CancelledByUser));
        }
    }
}
