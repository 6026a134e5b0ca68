//! Everything that is counted and measured.
//!
//! Each function is one metric, and its description in [`recorder`] is the help text. Labels are enums, so that
//! no request can add a series. All shops of a process share the one recorder.

mod labels;
mod recorder;
mod requests;

use std::time::Duration;

use metrics::Counter;

use crate::application::fence::Epoch;
use crate::application::ports::{Rejection, StoreError};

pub use labels::{Label, Outcome, PurchaseKind, StoreTrouble};
pub use recorder::render;
pub use requests::{Verb, http_request};

use recorder::metrics;

/// Makes the recorder ready. Any use of a metric does it, too; any number of times does no harm.
pub fn install() {
    metrics();
}

/// A request has begun.
pub fn http_request_begun() {
    metrics().in_flight.increment(1.0);
}

/// A request was refused unseen because too many were in flight.
pub fn http_request_shed() {
    metrics().shed.increment(1);
}

/// A connection was opened.
pub fn connection_opened() {
    metrics().connections.increment(1.0);
}

/// A connection was closed.
pub fn connection_closed() {
    metrics().connections.decrement(1.0);
}

/// A connection was turned away because there were too many.
pub fn connection_refused() {
    metrics().connections_refused.increment(1);
}

/// A checkout was answered.
pub fn checkout(outcome: Outcome) {
    metrics().checkouts[outcome.index()].increment(1);
}

/// A purchase was answered.
pub fn purchase(kind: PurchaseKind, outcome: Outcome) {
    let counters: &[Counter] = match kind {
        PurchaseKind::Cart => &metrics().purchases,
        PurchaseKind::BuyNow => &metrics().buy_nows,
    };
    counters[outcome.index()].increment(1);
}

/// Units were acknowledged to their buyer for the first time.
pub fn units_acknowledged(units: u32) {
    metrics().units_acknowledged.increment(u64::from(units));
}

/// Units were written to PostgreSQL as sold.
pub fn units_sold(units: u64) {
    metrics().units_sold.increment(units);
}

/// How many requests the sold-item filter has refused since the start.
pub fn sold_filter_refusals(total: u64) {
    metrics().filter_refusals.absolute(total);
}

/// A store could not do what a request needed.
pub fn store_failure(error: &StoreError) {
    metrics().store_failures[StoreTrouble::of(error).index()].increment(1);
}

/// A batch of this many ledger entries was committed, in this time.
pub fn ledger_committed(entries: usize, took: Duration) {
    metrics().ledger_batch.record(entries as f64);
    metrics().ledger_commit.record(took.as_secs_f64());
}

/// How far PostgreSQL is behind the ledgers of all live sales.
pub fn ledger_backlog(oldest: Duration, entries: usize) {
    metrics().ledger_lag.set(oldest.as_secs_f64());
    metrics().ledger_pending.set(entries as f64);
}

/// The fence was closed because Redis had forgotten.
pub fn fence_tripped() {
    metrics().fence_trips.increment(1);
}

/// Redis was restored from PostgreSQL.
pub fn recovered() {
    metrics().recoveries.increment(1);
}

/// The epoch that this instance decides in; `None` while it decides nothing.
pub fn epoch(epoch: Option<Epoch>) {
    metrics().epoch.set(epoch.map_or(0.0, |epoch| epoch.0 as f64));
}

/// PostgreSQL refused a ledger entry, which went to the dead letters. Where that was for a unit sold already,
/// or for a slot filled already, a guard has kept a promise that Redis had broken.
pub fn dead_letter(rejection: Rejection) {
    metrics().dead_letters[rejection.index()].increment(1);
    match rejection {
        Rejection::UnitSold | Rejection::SlotFilled => metrics().guard_hits[rejection.index()].increment(1),
        Rejection::Invalid => {}
    }
}

/// Units of the current periodic sale that nobody owns.
pub fn units_left(units: u32) {
    metrics().units_left.set(f64::from(units));
}
