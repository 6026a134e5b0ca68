//! The keys in Redis. All keys of a sale carry its id as their hash tag, so a sale lives in one slot of Redis Cluster.

use crate::domain::shared::SaleId;

/// The channel on which watermarks are announced.
pub const WATERMARKS_CHANNEL: &str = "flashsale:watermarks";

/// The parts of the state of a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Hash: `epoch`, `starts_at_ms`, `ends_at_ms`, `user_limit`. Without it nothing is decided.
    Header,
    /// Hash: item number -> its free units, `1-3,5`.
    Units,
    /// Hash: user -> filled slots, `1101`.
    Slots,
    /// Hash: checkout code -> user and lines, `u1 42:1,43:2`.
    Carts,
    /// Hash: user -> the code of the open cart.
    Codes,
    /// Hash: checkout code, or user and request id with a space between -> ledger id of the purchase.
    Receipts,
    /// Stream: the ledger; never trimmed.
    Ledger,
    /// Stream: accepted checkouts that wait for PostgreSQL.
    Attempts,
}

impl Part {
    /// Every part of a sale.
    pub const ALL: [Part; 8] = [
        Part::Header,
        Part::Units,
        Part::Slots,
        Part::Carts,
        Part::Codes,
        Part::Receipts,
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
            Part::Receipts => "receipts",
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
