//! Which answers are expected. Whatever is not in [`judge`] is an unexpected error, and fails the run.

use hyper::StatusCode;
use serde::Serialize;

/// What shoppers ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// The sale that is on, or a page of its items.
    Look,
    /// Putting into the cart.
    Checkout,
    /// The cart as it stands.
    Review,
    /// Buying the cart.
    Purchase,
    /// Buying one item without a cart.
    BuyNow,
    /// The receipt of a purchase that was "confirming".
    Receipt,
}

impl Operation {
    pub const ALL: [Operation; 6] = [
        Operation::Look,
        Operation::Checkout,
        Operation::Review,
        Operation::Purchase,
        Operation::BuyNow,
        Operation::Receipt,
    ];

    /// As the report calls it.
    pub fn name(self) -> &'static str {
        match self {
            Operation::Look => "look",
            Operation::Checkout => "checkout",
            Operation::Review => "review cart",
            Operation::Purchase => "purchase",
            Operation::BuyNow => "buy now",
            Operation::Receipt => "receipt",
        }
    }
}

/// Why a shopper did not get what was asked for, as the contract has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    ItemSold,
    ItemsSold,
    SoldOut,
    CartFull,
    UserLimitReached,
    SaleEnded,
}

impl Refusal {
    pub const ALL: [Refusal; 6] = [
        Refusal::ItemSold,
        Refusal::ItemsSold,
        Refusal::SoldOut,
        Refusal::CartFull,
        Refusal::UserLimitReached,
        Refusal::SaleEnded,
    ];

    /// The stable word of the contract.
    pub fn word(self) -> &'static str {
        match self {
            Refusal::ItemSold => "item_sold",
            Refusal::ItemsSold => "items_sold",
            Refusal::SoldOut => "sold_out",
            Refusal::CartFull => "cart_full",
            Refusal::UserLimitReached => "user_limit_reached",
            Refusal::SaleEnded => "sale_ended",
        }
    }
}

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It is decided and not yet known to be durable.
    Confirming,
    /// It was not done, for a reason that shoppers expect.
    Refused(Refusal),
    /// It was not served for now: 503 or 429. Counted apart, and bounded by the mode.
    TurnedAway,
    /// Anything else, also no answer at all.
    Unexpected,
}

/// What this status and word mean in answer to this. `Unexpected` where a shopper could not have provoked it.
pub fn judge(operation: Operation, status: StatusCode, word: &str) -> Outcome {
    use Operation::{BuyNow, Checkout, Purchase, Receipt, Review};
    use Refusal::{CartFull, ItemSold, ItemsSold, SaleEnded, SoldOut, UserLimitReached};
    match (operation, status.as_u16(), word) {
        (_, 200, _) => Outcome::Done,
        (Purchase | BuyNow | Receipt, 202, _) => Outcome::Confirming,
        (Checkout, 409, "item_sold") => Outcome::Refused(ItemSold),
        (Checkout, 409, "cart_full") => Outcome::Refused(CartFull),
        (Purchase, 409, "items_sold") => Outcome::Refused(ItemsSold),
        (BuyNow, 410, "sold_out") => Outcome::Refused(SoldOut),
        (Checkout | Purchase | BuyNow, 409, "user_limit_reached") => Outcome::Refused(UserLimitReached),
        (Checkout | Purchase | BuyNow, 410, "sale_ended") => Outcome::Refused(SaleEnded),
        // A cart goes with its sale. One that is lost sooner comes to light when it is bought next.
        (Review, 404, "checkout_not_found") => Outcome::Refused(SaleEnded),
        (_, 503, "unavailable") | (_, 429, "rate_limited") => Outcome::TurnedAway,
        _ => Outcome::Unexpected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_provoked_is_unexpected() {
        for (operation, status, word) in [
            (Operation::Look, 404, "sale_not_found"),
            (Operation::Checkout, 409, "items_sold"),
            (Operation::Checkout, 409, "sale_not_started"),
            (Operation::Checkout, 202, ""),
            (Operation::Purchase, 404, "checkout_not_found"),
            (Operation::Purchase, 409, "item_sold"),
            (Operation::BuyNow, 422, "request_mismatch"),
            (Operation::BuyNow, 409, "duplicate_request"),
            (Operation::Receipt, 404, "checkout_not_found"),
            (Operation::Purchase, 500, "internal_error"),
            (Operation::Purchase, 503, ""),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(judge(operation, status, word), Outcome::Unexpected, "{operation:?} {status} {word}");
        }
    }

    #[test]
    fn every_refusal_can_be_met_by_its_word() {
        for refusal in Refusal::ALL {
            let met = Operation::ALL.iter().any(|operation| {
                [StatusCode::CONFLICT, StatusCode::GONE]
                    .iter()
                    .any(|status| judge(*operation, *status, refusal.word()) == Outcome::Refused(refusal))
            });
            assert!(met, "{refusal:?}");
        }
    }
}
