//! The values that labels have.

use crate::application::ports::{Rejection, StoreError};
use crate::infrastructure::http::Code;

/// A label with a fixed set of values.
pub trait Label: Copy + 'static {
    /// Every value, each at its index.
    fn all() -> Vec<Self>;

    /// The place of this value among all.
    fn index(self) -> usize;

    /// The value as it is exported.
    fn word(self) -> &'static str;
}

/// What a checkout or a purchase came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Accepted,
    /// It had been done before, and was answered the same.
    Replayed,
    /// It was decided, and is not known to be durable yet.
    Confirming,
    /// A store failed after it may have been decided.
    Unknown,
    /// It was not done.
    Refused(Code),
}

impl Label for Outcome {
    fn all() -> Vec<Self> {
        let done = [Outcome::Accepted, Outcome::Replayed, Outcome::Confirming, Outcome::Unknown];
        done.into_iter().chain(Code::ALL.map(Outcome::Refused)).collect()
    }

    fn index(self) -> usize {
        match self {
            Outcome::Accepted => 0,
            Outcome::Replayed => 1,
            Outcome::Confirming => 2,
            Outcome::Unknown => 3,
            Outcome::Refused(code) => 4 + code as usize,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Outcome::Accepted => "accepted",
            Outcome::Replayed => "replayed",
            Outcome::Confirming => "confirming",
            Outcome::Unknown => "unknown",
            Outcome::Refused(code) => code.word(),
        }
    }
}

/// How something is bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PurchaseKind {
    Cart,
    BuyNow,
}

impl PurchaseKind {
    /// The value as it is exported.
    pub fn word(self) -> &'static str {
        match self {
            PurchaseKind::Cart => "cart",
            PurchaseKind::BuyNow => "buy_now",
        }
    }
}

/// Why a store did not do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreTrouble {
    Fenced,
    Busy,
    Unreachable,
    Corrupt,
}

impl StoreTrouble {
    /// The kind of this error.
    pub fn of(error: &StoreError) -> Self {
        match error {
            StoreError::Fenced => StoreTrouble::Fenced,
            StoreError::Busy(_) => StoreTrouble::Busy,
            StoreError::Unreachable(_) => StoreTrouble::Unreachable,
            StoreError::Corrupt(_) => StoreTrouble::Corrupt,
        }
    }
}

impl Label for StoreTrouble {
    fn all() -> Vec<Self> {
        vec![StoreTrouble::Fenced, StoreTrouble::Busy, StoreTrouble::Unreachable, StoreTrouble::Corrupt]
    }

    fn index(self) -> usize {
        self as usize
    }

    fn word(self) -> &'static str {
        match self {
            StoreTrouble::Fenced => "fenced",
            StoreTrouble::Busy => "busy",
            StoreTrouble::Unreachable => "unreachable",
            StoreTrouble::Corrupt => "corrupt",
        }
    }
}

impl Label for Rejection {
    fn all() -> Vec<Self> {
        vec![Rejection::UnitSold, Rejection::SlotFilled, Rejection::Invalid]
    }

    fn index(self) -> usize {
        self as usize
    }

    fn word(self) -> &'static str {
        match self {
            Rejection::UnitSold => "unit_sold",
            Rejection::SlotFilled => "slot_filled",
            Rejection::Invalid => "invalid",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places<L: Label>() -> bool {
        L::all().into_iter().enumerate().all(|(place, value)| value.index() == place && !value.word().is_empty())
    }

    #[test]
    fn every_value_is_at_its_index() {
        assert!(places::<Outcome>() && places::<StoreTrouble>() && places::<Rejection>());
    }
}
