//! The ledger: the ordered log of a sale, from which everything else follows.

use crate::domain::shared::LedgerId;

use super::{Purchase, SoldUnit};

/// The undoing of a purchase that PostgreSQL rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The ledger id of the purchase.
    pub purchase: LedgerId,
    /// The units that become free: those that nobody owns. A unit with an owner in PostgreSQL stays sold.
    pub units: Vec<SoldUnit>,
    /// The slots of its user that become empty.
    pub slots: Vec<u32>,
}

/// The event that a ledger entry records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerEvent {
    /// The sale was opened. The first entry of every ledger: a ledger without it was lost.
    Opened,
    Sold(Purchase),
    Released(Release),
    /// An entry that no version of this service writes, kept as found for the table of rejected entries.
    Unreadable(String),
}

/// One entry of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    pub id: LedgerId,
    pub event: LedgerEvent,
}
