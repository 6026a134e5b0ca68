//! Refusals: the negative answers of the rules.

use strum::IntoStaticStr;

use crate::domain::shared::{LedgerId, Ordinal};

/// A checkout that adds nothing to the cart. As a text it is the name of the refusal in tables, metrics and problems.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum CheckoutRefusal {
    #[error("the sale has not started")]
    SaleNotStarted,
    #[error("the sale has ended")]
    SaleEnded,
    #[error("the sale has no item {0}")]
    ItemNotFound(Ordinal),
    /// Fewer units are left than wanted.
    #[error("sold")]
    ItemSold(Vec<Ordinal>),
    #[error("the cart would hold too many units")]
    CartFull,
    #[error("the user would own too many units of the sale")]
    UserLimitReached,
}

/// A removal that leaves the cart as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoveRefusal {
    #[error("there is no such cart")]
    CheckoutNotFound,
    #[error("the cart does not hold this item")]
    ItemNotInCart,
    #[error("the sale has ended")]
    Ended,
}

/// A purchase that takes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PurchaseRefusal {
    #[error("there is no such cart")]
    CheckoutNotFound,
    #[error("the sale has not started")]
    NotStarted,
    #[error("the sale has ended")]
    Ended,
    #[error("the user would own too many units of the sale")]
    UserLimitReached,
    /// The cart is empty.
    #[error("the cart is empty")]
    CartEmpty,
    /// Units of the `unavailable` items are sold and have left the cart; `available` is the rest of the cart.
    #[error("sold")]
    ItemsSold { unavailable: Vec<Ordinal>, available: Vec<Ordinal> },
}

/// A purchase without a cart that takes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuyNowRefusal {
    #[error("the sale has not started")]
    NotStarted,
    #[error("the sale has ended")]
    Ended,
    #[error("the sale has no such item")]
    ItemNotFound,
    #[error("sold out")]
    SoldOut,
    #[error("the user would own too many units of the sale")]
    UserLimitReached,
    /// The user's request of this id bought something else.
    #[error("the request was made before with another item or quantity")]
    RequestMismatch,
}

/// A release that frees nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseRefusal {
    /// No purchase has this ledger id, or it was rejected and is undone.
    #[error("there is no such purchase")]
    NotBought,
    /// The entry with this id freed the units.
    #[error("the purchase was released by entry {0}")]
    ReleasedBefore(LedgerId),
    #[error("the sale is closed")]
    SaleClosed,
}
