//! The Lua scripts. They are called with plain `EVALSHA` and never loaded on demand.
//!
//! Redis keeps no scripts across a restart or a failover. A missing script therefore means that Redis may have lost
//! more, and recovery must check it before anything else is decided. The epoch is part of the text of each script, so
//! the scripts of two epochs differ.

use redis::Script;
use strum::{IntoStaticStr, VariantArray};

use crate::domain::shared::Epoch;
use crate::domain::shared::limits::{ATTEMPTS_BACKLOG_MAX, CART_UNITS, OPEN_CARTS_MAX};

use super::keys::Part;

/// Units that one call of a script allots, so that it does not hold Redis for longer than a millisecond. It leaves further
/// requests to the next call.
const GROUP_UNITS: u32 = 96;

const PRELUDE: &str = include_str!("lua/prelude.lua");
const SELLING: &str = include_str!("lua/selling.lua");

/// A script by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum ScriptName {
    OpenSale,
    EndSale,
    SealSale,
    Checkout,
    Remove,
    Purchase,
    BuyNow,
    Find,
    Release,
}

impl ScriptName {
    fn body(self) -> &'static str {
        match self {
            ScriptName::OpenSale => include_str!("lua/open_sale.lua"),
            ScriptName::EndSale => include_str!("lua/end_sale.lua"),
            ScriptName::SealSale => include_str!("lua/seal_sale.lua"),
            ScriptName::Checkout => include_str!("lua/checkout.lua"),
            ScriptName::Remove => include_str!("lua/remove.lua"),
            ScriptName::Purchase => include_str!("lua/purchase.lua"),
            ScriptName::BuyNow => include_str!("lua/buy_now.lua"),
            ScriptName::Find => include_str!("lua/find.lua"),
            ScriptName::Release => include_str!("lua/release.lua"),
        }
    }

    /// Returns the keys of the script, in the order of its KEYS.
    pub fn keys(self) -> &'static [Part] {
        use Part::*;
        match self {
            ScriptName::OpenSale => &[Header, Ledger],
            ScriptName::EndSale | ScriptName::SealSale => &[Header],
            ScriptName::Checkout => &[Header, Units, Slots, Carts, Codes, Attempts],
            ScriptName::Remove => &[Header, Carts],
            ScriptName::Purchase => &[Header, Units, Slots, Carts, Receipts, Ledger],
            ScriptName::BuyNow => &[Header, Units, Slots, Receipts, Ledger],
            ScriptName::Find => &[Header, Receipts, Carts, Ledger],
            ScriptName::Release => &[Header, Units, Slots, Receipts, Released, Ledger],
        }
    }
}

/// The scripts of one epoch.
///
/// One of them, the witness, does nothing and is the same in every version of the service. Only recovery loads it, so a
/// Redis that has it has lost nothing since, even if it does not have the other scripts of this version.
#[derive(Debug)]
pub struct ScriptSet {
    pub epoch: Epoch,
    witness_hash: String,
    /// In the order of the scripts.
    hashes: Vec<String>,
}

impl ScriptSet {
    /// Hashes the scripts of this epoch, without loading them.
    pub fn new(epoch: Epoch) -> Self {
        let hash = |text: String| Script::new(&text).get_hash().to_owned();
        let hashes = ScriptName::VARIANTS.iter().map(|script| hash(text(epoch, *script))).collect();
        ScriptSet { epoch, witness_hash: witness_hash(epoch), hashes }
    }

    /// Returns the hash of the witness.
    pub fn witness_hash(&self) -> &str {
        &self.witness_hash
    }

    /// Returns the hash of a script.
    pub fn hash(&self, script: ScriptName) -> &str {
        &self.hashes[script as usize]
    }

    /// Iterates over the hashes of all scripts, the witness included.
    pub fn all_hashes(&self) -> impl Iterator<Item = &str> {
        self.hashes.iter().map(String::as_str).chain([self.witness_hash()])
    }

    /// Returns the text of the witness.
    pub fn witness(&self) -> String {
        witness(self.epoch)
    }

    /// Iterates over the texts of the other scripts.
    pub fn texts(&self) -> impl Iterator<Item = String> {
        ScriptName::VARIANTS.iter().map(|script| text(self.epoch, *script))
    }
}

/// Returns the hash of the witness of an epoch.
pub fn witness_hash(epoch: Epoch) -> String {
    Script::new(&witness(epoch)).get_hash().to_owned()
}

fn witness(epoch: Epoch) -> String {
    format!("return 'flashsale epoch {epoch}'")
}

fn text(epoch: Epoch, script: ScriptName) -> String {
    let selling = if matches!(script, ScriptName::Purchase | ScriptName::BuyNow) { SELLING } else { "" };
    format!(
        "local EPOCH = '{epoch}'\n\
         local CART_UNITS, OPEN_CARTS_MAX, ATTEMPTS_MAX = {CART_UNITS}, {OPEN_CARTS_MAX}, {ATTEMPTS_BACKLOG_MAX}\n\
         local GROUP_UNITS = {GROUP_UNITS}\n\
         {PRELUDE}\n{selling}\n{}",
        script.body()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_of_two_epochs_differ() {
        let (one, two) = (ScriptSet::new(Epoch(1)), ScriptSet::new(Epoch(2)));
        for script in ScriptName::VARIANTS {
            assert_ne!(one.hash(*script), two.hash(*script));
        }
    }
}
