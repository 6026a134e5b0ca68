//! The values that labels have.

use crate::application::sale::ports::RejectionReason;
use crate::application::shared::StoreError;
use crate::infrastructure::postgres::Statement;
use crate::infrastructure::redis::ScriptName;

/// A label with a fixed set of values.
pub trait Label: Copy + 'static {
    /// Every value, each at its index.
    fn all() -> Vec<Self>;

    /// The place of this value among all.
    fn index(self) -> usize;

    /// The value as it is exported.
    fn word(self) -> &'static str;
}

/// Makes an enum without data a label: each value with its word, in the order in which they are declared.
macro_rules! label {
    ($name:ident { $($value:ident => $word:literal),+ $(,)? }) => {
        impl Label for $name {
            fn all() -> Vec<Self> {
                vec![$($name::$value),+]
            }

            fn index(self) -> usize {
                self as usize
            }

            fn word(self) -> &'static str {
                match self {
                    $($name::$value => $word),+
                }
            }
        }
    };
}

/// Why a store did not do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreErrorKind {
    Fenced,
    Busy,
    Unreachable,
    Corrupt,
}

impl StoreErrorKind {
    /// The kind of this error.
    pub fn of(error: &StoreError) -> Self {
        match error {
            StoreError::Fenced => StoreErrorKind::Fenced,
            StoreError::Busy(_) => StoreErrorKind::Busy,
            StoreError::Unreachable(_) => StoreErrorKind::Unreachable,
            StoreError::Corrupt(_) => StoreErrorKind::Corrupt,
        }
    }
}

label!(StoreErrorKind { Fenced => "fenced", Busy => "busy", Unreachable => "unreachable", Corrupt => "corrupt" });

/// How an attempt to recover ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecoveryResult {
    Intact,
    Restored,
    Failed,
}

label!(RecoveryResult { Intact => "intact", Restored => "restored", Failed => "failed" });

/// How a self-audit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditResult {
    Sound,
    Unsound,
    /// A store did not answer, or was being restored.
    Failed,
}

label!(AuditResult { Sound => "sound", Unsound => "unsound", Failed => "failed" });

/// Which of the connections to PostgreSQL: see [`PgArchive`](crate::infrastructure::postgres::PgArchive).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    Requests,
    Writers,
    Bulk,
}

label!(Pool { Requests => "requests", Writers => "writers", Bulk => "bulk" });

label!(RejectionReason { UnitSold => "unit_sold", SlotFilled => "slot_filled", Invalid => "invalid" });

label!(ScriptName {
    OpenSale => "open_sale",
    EndSale => "end_sale",
    Checkout => "checkout",
    Remove => "remove",
    Purchase => "purchase",
    BuyNow => "buy_now",
    Find => "find",
    Release => "release",
});

label!(Statement {
    Ping => "ping",
    TryLock => "try_lock",
    Epoch => "epoch",
    RaiseEpoch => "raise_epoch",
    CreateSale => "create_sale",
    Sales => "sales",
    Sale => "sale",
    Catalog => "catalog",
    EndSale => "end_sale",
    CloseSale => "close_sale",
    PurchaseByCode => "purchase_by_code",
    PurchaseByRequest => "purchase_by_request",
    ReceiptsOf => "receipts_of",
    ItemsIn => "items_in",
    PurchasesIn => "purchases_in",
    Check => "check",
    Cursors => "cursors",
    Persist => "persist",
    Reject => "reject",
    Rejections => "rejections",
    Unowned => "unowned",
    MarkReleased => "mark_released",
    PersistAttempts => "persist_attempts",
    AddRefusals => "add_refusals",
});

#[cfg(test)]
mod tests {
    use super::*;

    fn places<L: Label>() -> bool {
        L::all().into_iter().enumerate().all(|(place, value)| value.index() == place && !value.word().is_empty())
    }

    #[test]
    fn every_value_is_at_its_index() {
        assert!(places::<StoreErrorKind>() && places::<RejectionReason>());
        assert!(places::<RecoveryResult>() && places::<AuditResult>() && places::<Pool>());
        assert!(places::<ScriptName>() && places::<Statement>());
    }
}
