//! Deliberately broken behaviour, which shows that the tests and `loadtest chaos` notice it. Only a build with the
//! feature `sabotage` misbehaves, in the way that the environment variable `SABOTAGE` names. In every other build
//! [`is_on`] is false and [`script`] changes nothing.

/// One way to misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString)]
#[strum(serialize_all = "kebab-case")]
pub enum Sabotage {
    /// A purchase is answered before PostgreSQL has committed it, which happens a little later.
    AcknowledgeBeforeCommit,
    /// Scripts that Redis lost are loaded again, and nothing is restored.
    ReloadScripts,
    /// A unit that PostgreSQL has sold before passes for an entry that is archived already.
    UnitAsDuplicate,
    /// The scripts accept the state of any epoch.
    NoEpochCheck,
    /// The scripts decide by a clock that is late.
    LocalClock,
    /// The ledger forgets its oldest entries.
    TrimmedLedger,
    /// A code or request that has bought buys again.
    NoReceiptCheck,
    /// A purchase gives its units back each time.
    ReleaseTwice,
    /// A request takes its place before its body has arrived.
    PermitBeforeBody,
    /// An audit that finds a difference repairs it while the sale goes on.
    RepairWithoutFence,
    /// The stock of orders that can still be paid is returned.
    ReturnOpenOrders,
    /// A payment that times out passes for declined.
    TimeoutAsDecline,
    /// A payment that takes too long ends its order before the provider is asked to cancel it.
    ExpireBeforeCancel,
    /// The stock of an order is returned each time that an instance looks at it.
    ReturnTwice,
    /// The sold-item filter has wrong bits in both directions. This is a fault to withstand: `loadtest chaos` must notice
    /// nothing.
    FlippedFilterBits,
}

#[cfg(not(feature = "sabotage"))]
mod choice {
    use super::Sabotage;

    /// Returns false: this build does not misbehave.
    pub const fn is_on(_: Sabotage) -> bool {
        false
    }

    /// Returns the script as it is.
    pub fn script(text: String) -> String {
        text
    }
}

#[cfg(feature = "sabotage")]
mod choice {
    use std::sync::LazyLock;

    use super::Sabotage::{self, LocalClock, NoEpochCheck, NoReceiptCheck, ReleaseTwice, ReturnTwice, TrimmedLedger};

    /// The text of the scripts that each way replaces, and the replacement.
    const REPLACEMENTS: [(Sabotage, &str, &str); 8] = [
        (NoEpochCheck, "if fields[1] ~= EPOCH then", "if not fields[1] then"),
        (LocalClock, "return time[1] * 1000 +", "return time[1] * 1000 - 3000 +"),
        (TrimmedLedger, "'NOMKSTREAM', header.last_id", "'NOMKSTREAM', 'MAXLEN', 2, header.last_id"),
        (NoReceiptCheck, "if receipts[code] then", "if false then"),
        (NoReceiptCheck, "if receipts[name] then", "if false then"),
        (ReleaseTwice, "if before then", "if false then"),
        (ReturnTwice, "if before then", "if false then"),
        (ReleaseTwice, "if call('HGET', receipts_key, code) ~= id then", "if false then"),
    ];

    static CHOSEN: LazyLock<Option<Sabotage>> = LazyLock::new(|| {
        let name = std::env::var("SABOTAGE").ok()?;
        Some(name.parse().unwrap_or_else(|_| panic!("SABOTAGE={name} is unknown")))
    });

    /// Returns true if this process misbehaves in this way.
    pub fn is_on(way: Sabotage) -> bool {
        *CHOSEN == Some(way)
    }

    /// Returns the script with what the chosen way replaces.
    pub fn script(text: String) -> String {
        let replace = |text: String, (_, from, to): &(Sabotage, &str, &str)| text.replace(from, to);
        REPLACEMENTS.iter().filter(|(way, ..)| is_on(*way)).fold(text, replace)
    }
}

pub use choice::{is_on, script};
