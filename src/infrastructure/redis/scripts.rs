//! The Lua scripts, and how they are called: with plain `EVALSHA`, and never loaded on demand.
//!
//! Redis keeps no scripts across a restart or a failover. That it does not know one therefore means that it
//! may have forgotten more, and recovery must look before anything else is decided. The epoch is part of each
//! script's text, so scripts of an older epoch are other scripts.

use redis::Script;

use crate::application::fence::Epoch;

use super::keys::Part;

const PRELUDE: &str = include_str!("lua/prelude.lua");

/// A script by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScriptName {
    OpenSale,
    EndSale,
    Checkout,
    Remove,
    Purchase,
    BuyNow,
    Find,
    Release,
}

impl ScriptName {
    const ALL: [ScriptName; 8] = [
        ScriptName::OpenSale,
        ScriptName::EndSale,
        ScriptName::Checkout,
        ScriptName::Remove,
        ScriptName::Purchase,
        ScriptName::BuyNow,
        ScriptName::Find,
        ScriptName::Release,
    ];

    fn body(self) -> &'static str {
        match self {
            ScriptName::OpenSale => include_str!("lua/open_sale.lua"),
            ScriptName::EndSale => include_str!("lua/end_sale.lua"),
            ScriptName::Checkout => include_str!("lua/checkout.lua"),
            ScriptName::Remove => include_str!("lua/remove.lua"),
            ScriptName::Purchase => include_str!("lua/purchase.lua"),
            ScriptName::BuyNow => include_str!("lua/buy_now.lua"),
            ScriptName::Find => include_str!("lua/find.lua"),
            ScriptName::Release => include_str!("lua/release.lua"),
        }
    }

    /// The keys that the script gets, in the order in which it names them.
    pub fn keys(self) -> &'static [Part] {
        use Part::*;
        match self {
            ScriptName::OpenSale => &[Header, Units, Ledger],
            ScriptName::EndSale => &[Header],
            ScriptName::Checkout => &[Header, Units, Slots, Carts, Codes, Attempts],
            ScriptName::Remove => &[Header, Carts],
            ScriptName::Purchase => &[Header, Units, Slots, Carts, Codes, Receipts, Ledger],
            ScriptName::BuyNow => &[Header, Units, Slots, Receipts, Ledger],
            ScriptName::Find => &[Header, Receipts, Carts, Ledger],
            ScriptName::Release => &[Header, Units, Slots, Receipts, Ledger],
        }
    }
}

/// The scripts of one epoch.
#[derive(Debug)]
pub struct ScriptSet {
    pub epoch: Epoch,
    hashes: [String; ScriptName::ALL.len()],
}

impl ScriptSet {
    /// The scripts of this epoch, hashed; nothing is loaded.
    pub fn new(epoch: Epoch) -> Self {
        let hash = |script: ScriptName| Script::new(&text(epoch, script)).get_hash().to_owned();
        ScriptSet { epoch, hashes: ScriptName::ALL.map(hash) }
    }

    /// What `EVALSHA` calls the script by.
    pub fn hash(&self, script: ScriptName) -> &str {
        &self.hashes[script as usize]
    }

    /// What `EVALSHA` calls each script by.
    pub fn hashes(&self) -> &[String] {
        &self.hashes
    }

    /// The texts to load.
    pub fn texts(&self) -> impl Iterator<Item = String> {
        ScriptName::ALL.into_iter().map(|script| text(self.epoch, script))
    }
}

fn text(epoch: Epoch, script: ScriptName) -> String {
    format!("local EPOCH = '{epoch}'\n{PRELUDE}\n{}", script.body())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_of_another_epoch_are_other_scripts() {
        let (one, two) = (ScriptSet::new(Epoch(1)), ScriptSet::new(Epoch(2)));
        for script in ScriptName::ALL {
            assert_eq!(ScriptName::ALL[script as usize], script);
            assert_ne!(one.hash(script), two.hash(script));
        }
    }
}
