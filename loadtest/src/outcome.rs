//! The expected responses. Any response not listed in [`classify`] is an unexpected error and fails the run.

use hyper::StatusCode;
use serde::Serialize;

/// An operation of a shopper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Reads the active sale or a page of its items.
    Look,
    /// Adds items to a cart.
    Checkout,
    /// Reads a cart.
    Review,
    /// Buys a cart.
    Purchase,
    /// Buys one item without a cart.
    BuyNow,
    /// Reads the receipt of a purchase that was "confirming".
    Receipt,
    /// Pays an order.
    Pay,
    /// Cancels an order.
    CancelOrder,
    /// Reads an order whose payment is under way.
    ReadOrder,
}

impl Operation {
    pub const ALL: [Operation; 9] = [
        Operation::Look,
        Operation::Checkout,
        Operation::Review,
        Operation::Purchase,
        Operation::BuyNow,
        Operation::Receipt,
        Operation::Pay,
        Operation::CancelOrder,
        Operation::ReadOrder,
    ];

    /// Returns the name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Operation::Look => "look",
            Operation::Checkout => "checkout",
            Operation::Review => "review cart",
            Operation::Purchase => "purchase",
            Operation::BuyNow => "buy now",
            Operation::Receipt => "receipt",
            Operation::Pay => "pay",
            Operation::CancelOrder => "cancel order",
            Operation::ReadOrder => "read order",
        }
    }
}

/// A refusal that shoppers can cause, as in the API contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    ItemSold,
    ItemsSold,
    CartEmpty,
    SoldOut,
    CartFull,
    UserLimitReached,
    SaleEnded,
    PaymentDeclined,
    OrderExpired,
    OrderInvalidState,
}

impl Refusal {
    pub const ALL: [Refusal; 10] = [
        Refusal::ItemSold,
        Refusal::ItemsSold,
        Refusal::CartEmpty,
        Refusal::SoldOut,
        Refusal::CartFull,
        Refusal::UserLimitReached,
        Refusal::SaleEnded,
        Refusal::PaymentDeclined,
        Refusal::OrderExpired,
        Refusal::OrderInvalidState,
    ];

    /// Returns the problem code of the API contract.
    pub fn code(self) -> &'static str {
        match self {
            Refusal::ItemSold => "item_sold",
            Refusal::ItemsSold => "items_sold",
            Refusal::CartEmpty => "cart_empty",
            Refusal::SoldOut => "sold_out",
            Refusal::CartFull => "cart_full",
            Refusal::UserLimitReached => "user_limit_reached",
            Refusal::SaleEnded => "sale_ended",
            Refusal::PaymentDeclined => "payment_declined",
            Refusal::OrderExpired => "order_expired",
            Refusal::OrderInvalidState => "order_invalid_state",
        }
    }
}

/// The meaning of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The service did what was requested.
    Done,
    /// The purchase is decided, but not confirmed as durable yet. Or a payment is under way.
    Confirming,
    /// The service refused, for a reason that shoppers expect.
    Refused(Refusal),
    /// The service had no capacity: 503 or 429. Counted separately, with a limit for each mode.
    TurnedAway,
    /// Any other response, or none at all.
    Unexpected,
}

/// Classifies a response by its status and problem code. It is `Unexpected` if no shopper could have caused it.
pub fn classify(operation: Operation, status: StatusCode, code: &str) -> Outcome {
    use Operation::{BuyNow, CancelOrder, Checkout, Pay, Purchase, Receipt, Review};
    use Refusal::{CartEmpty, CartFull, ItemSold, ItemsSold, SaleEnded, SoldOut, UserLimitReached};
    use Refusal::{OrderExpired, OrderInvalidState, PaymentDeclined};
    match (operation, status.as_u16(), code) {
        (_, 200, _) => Outcome::Done,
        (Purchase | BuyNow | Receipt | Pay, 202, _) => Outcome::Confirming,
        (Checkout, 409, "item_sold") => Outcome::Refused(ItemSold),
        (Checkout, 409, "cart_full") => Outcome::Refused(CartFull),
        (Purchase, 409, "items_sold") => Outcome::Refused(ItemsSold),
        // The first response, `items_sold`, was lost; nothing of the cart is left.
        (Purchase, 409, "cart_empty") => Outcome::Refused(CartEmpty),
        (BuyNow, 410, "sold_out") => Outcome::Refused(SoldOut),
        (Checkout | Purchase | BuyNow, 409, "user_limit_reached") => Outcome::Refused(UserLimitReached),
        (Checkout | Purchase | BuyNow, 410, "sale_ended") => Outcome::Refused(SaleEnded),
        // A cart ends with its sale. If one is lost earlier, its purchase fails with an unexpected error.
        (Review, 404, "checkout_not_found") => Outcome::Refused(SaleEnded),
        (Pay, 402, "payment_declined") => Outcome::Refused(PaymentDeclined),
        (Pay, 410, "order_expired") => Outcome::Refused(OrderExpired),
        // The order expired before.
        (CancelOrder, 409, "order_invalid_state") => Outcome::Refused(OrderInvalidState),
        (_, 503, "unavailable") | (_, 429, "rate_limited") => Outcome::TurnedAway,
        _ => Outcome::Unexpected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_that_no_shopper_could_cause_is_unexpected() {
        for (operation, status, code) in [
            (Operation::Look, 404, "sale_not_found"),
            (Operation::Checkout, 409, "items_sold"),
            (Operation::Checkout, 409, "sale_not_started"),
            (Operation::Checkout, 202, ""),
            (Operation::Purchase, 404, "checkout_not_found"),
            (Operation::Purchase, 409, "item_sold"),
            (Operation::BuyNow, 422, "request_mismatch"),
            (Operation::BuyNow, 409, "duplicate_request"),
            (Operation::Receipt, 404, "checkout_not_found"),
            (Operation::Pay, 404, "order_not_found"),
            (Operation::Pay, 409, "order_invalid_state"),
            (Operation::CancelOrder, 202, ""),
            (Operation::Purchase, 500, "internal_error"),
            (Operation::Purchase, 503, ""),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(classify(operation, status, code), Outcome::Unexpected, "{operation:?} {status} {code}");
        }
    }

    #[test]
    fn every_refusal_is_classified_by_its_code() {
        for refusal in Refusal::ALL {
            let is_classified = Operation::ALL.iter().any(|operation| {
                [StatusCode::PAYMENT_REQUIRED, StatusCode::CONFLICT, StatusCode::GONE]
                    .iter()
                    .any(|status| classify(*operation, *status, refusal.code()) == Outcome::Refused(refusal))
            });
            assert!(is_classified, "{refusal:?}");
        }
    }
}
