//! The table of transitions: everything that may happen to an order.

use serde::Serialize;
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use super::OrderStatus;
use super::OrderStatus::{Cancelled, Expired, Paid, PaymentPending, Reserved};

/// The reason for which an order was not paid. As a text it is the word in the table and in answers.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
    utoipa::ToSchema,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderReason {
    /// Its buyer cancelled it.
    UserCancel,
    /// An administrator cancelled it.
    Admin,
    /// Its payment was declined too often.
    PaymentFailed,
    /// Nobody paid in time.
    ReservationTtl,
    /// A payment was begun and did not end in time.
    PaymentTtl,
}

/// Something that happens to an order. As a text it is the word in the table of payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderEvent {
    /// A payment begins.
    PaymentBegun,
    /// The payment succeeded.
    Captured,
    /// The payment was declined, and another attempt is allowed.
    Declined,
    /// The payment was declined, and no attempt is left.
    LastDeclined,
    CancelledByUser,
    CancelledByAdmin,
    /// Its deadline has passed.
    Overdue,
}

/// A change of an order: the state before, the state after, and the reason of an end without payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    pub from: OrderStatus,
    pub to: OrderStatus,
    pub reason: Option<OrderReason>,
}

impl Transition {
    /// The number of changes that may happen.
    pub const COUNT: usize = TRANSITIONS.len();

    /// Returns every change that may happen.
    pub fn all() -> impl Iterator<Item = Transition> {
        TRANSITIONS.iter().map(|(from, _, to, reason)| Transition { from: *from, to: *to, reason: *reason })
    }
}

/// The state before, the event, and the state after with the reason of an end without payment. What is not here is
/// refused.
#[rustfmt::skip]
const TRANSITIONS: [(OrderStatus, OrderEvent, OrderStatus, Option<OrderReason>); 10] = [
    (Reserved,       OrderEvent::PaymentBegun,     PaymentPending, None),
    (Reserved,       OrderEvent::CancelledByUser,  Cancelled,      Some(OrderReason::UserCancel)),
    (Reserved,       OrderEvent::CancelledByAdmin, Cancelled,      Some(OrderReason::Admin)),
    (Reserved,       OrderEvent::Overdue,          Expired,        Some(OrderReason::ReservationTtl)),
    (PaymentPending, OrderEvent::Captured,         Paid,           None),
    (PaymentPending, OrderEvent::Declined,         Reserved,       None),
    (PaymentPending, OrderEvent::LastDeclined,     Cancelled,      Some(OrderReason::PaymentFailed)),
    (PaymentPending, OrderEvent::CancelledByUser,  Cancelled,      Some(OrderReason::UserCancel)),
    (PaymentPending, OrderEvent::CancelledByAdmin, Cancelled,      Some(OrderReason::Admin)),
    (PaymentPending, OrderEvent::Overdue,          Expired,        Some(OrderReason::PaymentTtl)),
];

impl OrderStatus {
    /// Returns the state after an event, with the reason if that ends the order without payment; `None` if the event may
    /// not happen now.
    pub fn after(self, event: OrderEvent) -> Option<(OrderStatus, Option<OrderReason>)> {
        let row = TRANSITIONS.iter().find(|(from, known, ..)| (*from, *known) == (self, event));
        row.map(|(.., to, reason)| (*to, *reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_final_order_never_changes() {
        for status in OrderStatus::VARIANTS.iter().filter(|status| status.is_final()) {
            assert!(OrderEvent::VARIANTS.iter().all(|event| status.after(*event).is_none()), "{status}");
        }
    }

    #[test]
    fn an_end_without_payment_has_a_reason_and_nothing_else_has() {
        for (from, event, to, reason) in TRANSITIONS {
            assert!(!from.is_final(), "{from} {event:?}");
            assert_eq!(reason.is_some(), to.is_final() && to != Paid, "{from} {event:?}");
            assert_eq!(from.after(event), Some((to, reason)));
        }
    }
}
