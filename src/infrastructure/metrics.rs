//! Everything that is counted and measured.
//!
//! Each function is one metric, and its description in [`recorder`] is the help text. Labels are enums, so that
//! no request can add a series. All shops of a process share the one recorder; what a shop knows of itself without
//! being counted is read off it by [`readings`] when somebody asks.

mod labels;
mod readings;
mod recorder;

use std::time::Duration;

use crate::application::sale::Shop;
use crate::application::sale::ports::RejectionReason;
use crate::application::shared::StoreError;

use super::postgres::Statement;
use super::redis::ScriptName;

pub use labels::{AuditResult, Label, Pool, RecoveryResult, StoreErrorKind};

use recorder::metrics;

/// Makes the recorder ready. Any use of a metric does it, too; any number of times does no harm.
pub fn install() {
    metrics();
}

/// What `GET /metrics` answers.
pub fn render(shop: &Shop) -> String {
    recorder::render() + &readings::render(shop)
}

/// A script was answered, or not, in this time.
pub fn redis_script(script: ScriptName, took: Duration) {
    metrics().redis_scripts[script.index()].record(took.as_secs_f64());
}

/// Redis did not do what it was asked.
pub fn redis_error(error: &StoreError) {
    metrics().redis_errors[StoreErrorKind::of(error).index()].increment(1);
}

/// A statement was answered, or not, in this time.
pub fn postgres_statement(statement: Statement, took: Duration) {
    metrics().postgres_statements[statement.index()].record(took.as_secs_f64());
}

/// PostgreSQL did not do what it was asked.
pub fn postgres_error(error: &StoreError) {
    metrics().postgres_errors[StoreErrorKind::of(error).index()].increment(1);
}

/// How many connections of a pool are idle, how many are in use, and how many there may be.
pub fn postgres_pool(pool: Pool, idle: usize, in_use: usize, max: u32) {
    let gauges = &metrics().postgres_pools[pool.index()];
    gauges.idle.set(idle as f64);
    gauges.in_use.set(in_use as f64);
    gauges.max.set(f64::from(max));
}

/// A batch of this many ledger entries was committed.
pub fn ledger_committed(entries: usize) {
    metrics().ledger_batch.record(entries as f64);
}

/// The fence was closed because Redis had forgotten.
pub fn fence_tripped() {
    metrics().fence_trips.increment(1);
}

/// An attempt to recover ended.
pub fn recovery(result: RecoveryResult) {
    metrics().recoveries[result.index()].increment(1);
}

/// PostgreSQL refused a ledger entry, which went to the dead letters. Where that was for a unit sold already,
/// or for a slot filled already, a guard has kept a promise that Redis had broken.
pub fn entry_rejected(reason: RejectionReason) {
    metrics().rejected_entries[reason.index()].increment(1);
    let [unit_sold, slot_filled] = &metrics().guard_hits;
    match reason {
        RejectionReason::UnitSold => unit_sold.increment(1),
        RejectionReason::SlotFilled => slot_filled.increment(1),
        RejectionReason::Invalid => {}
    }
}

/// A self-audit of one sale ended, after this time.
pub fn audit(result: AuditResult, took: Duration) {
    metrics().audits[result.index()].increment(1);
    metrics().audit_duration.record(took.as_secs_f64());
}
