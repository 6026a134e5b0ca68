//! The ledger: the ordered log of a sale, from which everything else follows.

use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use crate::domain::shared::LedgerId;

use super::{Purchase, SoldUnit};

/// The reason for which a purchase gives its units back. As a text it is the word in ledger entries and tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Display, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum ReleaseReason {
    /// PostgreSQL rejected the purchase: it was never made.
    Rejected,
    /// An operator voided it.
    Void,
    /// Its order was cancelled.
    Cancelled,
    /// Its order was not paid in time.
    Expired,
}

impl ReleaseReason {
    /// Returns true if the purchase was committed. It then keeps its receipt and its request: one code, one outcome.
    pub fn is_of_committed(self) -> bool {
        self != ReleaseReason::Rejected
    }
}

/// The return of the units and slots of a purchase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The ledger id of the purchase.
    pub purchase: LedgerId,
    /// The units that become free. Of a rejected purchase those that nobody owns: a unit with an owner in PostgreSQL stays
    /// sold.
    pub units: Vec<SoldUnit>,
    /// The slots of its user that become empty.
    pub slots: Vec<u32>,
    pub reason: ReleaseReason,
}

impl Release {
    /// The release of everything that a purchase took.
    pub fn of(id: LedgerId, purchase: &Purchase, reason: ReleaseReason) -> Self {
        let slots = purchase.units.iter().map(|unit| unit.slot).collect();
        Release { purchase: id, units: purchase.units.clone(), slots, reason }
    }
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

impl LedgerEntry {
    /// Returns true for the release of a committed purchase, which moves its units in PostgreSQL.
    pub fn is_release(&self) -> bool {
        matches!(&self.event, LedgerEvent::Released(release) if release.reason.is_of_committed())
    }
}
