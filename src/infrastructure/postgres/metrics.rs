//! The metrics of PostgreSQL.

use strum::{IntoStaticStr, VariantArray};

use crate::application::sale::ports::RejectionReason;
use crate::domain::ordering::Transition;
use crate::infrastructure::metrics::{Counter, Gauge, Histogram, Label, Labels, Metric, StoreErrorKind, metrics};

use super::statement::Statement;

metrics! {
    /// Time to run a statement, with the wait for a connection, by statement.
    pub static STATEMENT_DURATION: Metric<Histogram, Statement> =
        "flashsale_postgres_statement_duration_seconds" by "statement";

    /// Failed operations of PostgreSQL, by kind of failure.
    pub static ERRORS: Metric<Counter, StoreErrorKind> = "flashsale_postgres_errors_total" by "kind";

    /// Connections to PostgreSQL, by pool (requests, past, control, writers, bulk) and state (idle, in_use).
    pub static POOL_CONNECTIONS: Metric<Gauge, (Pool, PoolState)> =
        "flashsale_postgres_pool_connections" by "pool", "state";

    /// Connections that a pool may have.
    pub static POOL_CONNECTIONS_MAX: Metric<Gauge, Pool> = "flashsale_postgres_pool_connections_max" by "pool";

    /// Ledger entries in a committed batch.
    pub static LEDGER_BATCH: Metric<Histogram> = "flashsale_ledger_batch_entries";

    /// Ledger entries that PostgreSQL rejected, by reason.
    pub static REJECTED_ENTRIES: Metric<Counter, RejectionReason> = "flashsale_rejected_entries_total" by "reason";

    /// Oversells (unit_sold) and exceeded limits (slot_filled) that a constraint of PostgreSQL prevented.
    pub static GUARD_HITS: Metric<Counter, Guard> = "flashsale_guard_hits_total" by "guard";

    /// Changes of orders, by state before, state after and reason (none unless an order ends without payment).
    pub static ORDER_TRANSITIONS: Metric<Counter, Transition> =
        "flashsale_order_transitions_total" by "from", "to", "reason";

    /// Changes of orders that were refused, because another change came first.
    pub static ORDER_TRANSITIONS_REFUSED: Metric<Counter> = "flashsale_order_transitions_refused_total";
}

impl Label for Statement {}
impl Label for RejectionReason {}
impl Label for Pool {}
impl Label for PoolState {}
impl Label for Guard {}

/// A pool of connections: see [`Pools`](super::pools::Pools).
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Pool {
    Requests,
    Past,
    Control,
    Writers,
    Bulk,
}

/// The state of a connection in a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum PoolState {
    Idle,
    InUse,
}

/// A constraint of PostgreSQL that prevented what Redis should have refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Guard {
    UnitSold,
    SlotFilled,
}

impl Labels for Transition {
    const COUNT: usize = Transition::COUNT;

    fn all() -> Vec<Self> {
        Transition::all().collect()
    }

    fn index(self) -> usize {
        let index = Transition::all().position(|known| known == self);
        index.unwrap_or_else(|| panic!("{self:?} is not in the table of transitions"))
    }

    fn words(self) -> Vec<&'static str> {
        vec![self.from.into(), self.to.into(), self.reason.map_or("none", <&str>::from)]
    }
}

/// Counts a rejected ledger entry, and the guard that rejected it.
pub fn entry_rejected(reason: RejectionReason) {
    REJECTED_ENTRIES.of(reason).increment(1);
    match reason {
        RejectionReason::UnitSold => GUARD_HITS.of(Guard::UnitSold).increment(1),
        RejectionReason::SlotFilled => GUARD_HITS.of(Guard::SlotFilled).increment(1),
        RejectionReason::Invalid => {}
    }
}
