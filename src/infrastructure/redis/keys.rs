//! The keys in Redis. All keys of a sale carry its id as their hash tag, so a sale lives in one slot of Redis Cluster.

use crate::domain::shared::SaleId;

/// The channel on which watermarks are announced.
pub const WATERMARKS_CHANNEL: &str = "flashsale:watermarks";

/// A sorted set: the retired sales by the second at which each may be dropped.
pub const RETIRED_SALES: &str = "flashsale:retired";

/// The parts of the state of a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Hash: `epoch`, `history`, the replication id of Redis when that epoch began, `starts_at_ms`, `ends_at_ms`, `user_limit`, and `last_id`, the id of the last ledger entry; later
    /// `sealed`, when the sale is about to be closed. While the sale is being restored: `restoring`, the epoch of that, and
    /// nothing else. Without `epoch` nothing is decided.
    Header,
    /// Hash: item number -> its sold units, `7,2,5`: 1 to 7 without 2 and 5. An item without a field has sold none.
    Units,
    /// Hash: user -> filled slots, in the same format.
    Slots,
    /// Hash: checkout code -> user and lines, `u1 42:1:5,43:2:9`: item, quantity, stock of the item.
    Carts,
    /// Hash: user -> the code of the latest cart, which may be bought.
    Codes,
    /// Hash: the same as `Carts` and `Codes`, for carts that were not checked out lately.
    IdleCarts,
    IdleCodes,
    /// String: the millisecond in which carts were last made idle.
    CartsSince,
    /// Hash: checkout code, or user and request id with a space between -> ledger id of the purchase.
    Receipts,
    /// Hash: ledger id of a committed purchase that gave its units back -> ledger id of its release.
    Released,
    /// Stream: the ledger; never trimmed. One stream entry may record several purchases, a line for each.
    Ledger,
    /// Stream: accepted checkouts that wait for PostgreSQL, several in one stream entry.
    Attempts,
}

impl Part {
    /// Every part of a sale.
    pub const ALL: [Part; 12] = [
        Part::Header,
        Part::Units,
        Part::Slots,
        Part::Carts,
        Part::Codes,
        Part::IdleCarts,
        Part::IdleCodes,
        Part::CartsSince,
        Part::Receipts,
        Part::Released,
        Part::Ledger,
        Part::Attempts,
    ];

    fn name(self) -> &'static str {
        match self {
            Part::Header => "header",
            Part::Units => "units",
            Part::Slots => "slots",
            Part::Carts => "carts",
            Part::Codes => "codes",
            Part::IdleCarts => "idle_carts",
            Part::IdleCodes => "idle_codes",
            Part::CartsSince => "carts_since",
            Part::Receipts => "receipts",
            Part::Released => "released",
            Part::Ledger => "ledger",
            Part::Attempts => "attempts",
        }
    }
}

/// The keys of one sale.
#[derive(Debug)]
pub struct SaleKeys {
    tag: String,
}

impl SaleKeys {
    /// Prepares the keys of this sale.
    pub fn of(sale: SaleId) -> Self {
        SaleKeys { tag: sale.to_string() }
    }

    /// Returns a key such as `{20261120T09}:units`.
    pub fn key(&self, part: Part) -> String {
        let name = part.name();
        let mut key = String::with_capacity(self.tag.len() + name.len() + 3);
        key.extend(["{", &self.tag, "}:", name]);
        key
    }
}
