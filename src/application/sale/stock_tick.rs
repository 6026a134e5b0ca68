//! The ticks of a feed: collecting what has changed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::sale::SaleStatus;

use super::live_sale::LiveSale;
use super::projection::Projection;
use super::stock_feed::{Delta, EndReason, RESUMABLE, SharedText, Snapshot, State, TICK, Totals};

/// Silence after which readers get an empty delta.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(15);

/// Time after the end of a sale until its feed ends: what was decided at the last moment has arrived by then.
pub(super) const LAST_ENTRIES: TimeDelta = TimeDelta::milliseconds(500);

/// The length of a snapshot in items of a delta: of the part that each has, and how many items of the sale, one bit each,
/// take the room of one. See `infrastructure/http/sale/stock_events_text.rs`.
const SNAPSHOT_BASE: usize = 30;
const SNAPSHOT_ITEMS: usize = 30;

/// The result of a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ticked {
    /// There is something for the readers to read.
    News,
    Nothing,
    /// Nobody has read for so long that the feed rests until somebody does.
    Unread,
}

impl LiveSale {
    /// Collects what has changed since the last tick.
    pub fn tick_stock(&self, now: DateTime<Utc>) -> Ticked {
        let (feed, at) = (&self.stock_feed, Instant::now());
        let mut state = feed.state();
        if feed.readers() > 0 {
            state.read_at = at;
        } else if state.read_at + RESUMABLE <= at {
            self.projection_mut().forget_changes();
            state.forget();
            return Ticked::Unread;
        }
        let delta = {
            let mut projection = self.projection_mut();
            let changes = projection.take_changes();
            state.snapshot_items = snapshot_items(&projection);
            let items = changes.items.iter().map(|item| (*item, projection.left_of(*item))).collect();
            let (as_of, totals) = (projection.as_of(), totals(&projection));
            Delta { as_of, first: changes.first, totals, items, text: SharedText::default() }
        };
        let end = self.end_of_stock(delta.totals, now);
        if !delta.items.is_empty() || state.woken.1 + HEARTBEAT <= at {
            state.deltas.push_back((at, Arc::new(delta)));
        }
        state.drop_old(at);
        let has_ended = std::mem::replace(&mut state.end, end) != end;
        if !has_ended && state.woken.0 == state.end_position() {
            return Ticked::Nothing;
        }
        state.woken = (state.end_position(), at);
        Ticked::News
    }

    /// Returns the reason for which nothing more will be sold, if so. Where purchases must be paid, units come back.
    pub(super) fn end_of_stock(&self, totals: Totals, now: DateTime<Utc>) -> Option<EndReason> {
        let sale = self.sale();
        if sale.closed || sale.window.status(now - LAST_ENTRIES) == SaleStatus::Ended {
            return Some(EndReason::Closed);
        }
        (totals.units_left == 0 && sale.payment_window.is_none()).then_some(EndReason::SoldOut)
    }

    /// Returns the latest snapshot. Readers share it until the next tick; with `is_exact` it has all that is known.
    pub(super) fn stock_snapshot(&self, state: &mut State, now: DateTime<Utc>, is_exact: bool) -> Arc<Snapshot> {
        let (at, position) = (Instant::now(), state.end_position());
        let projection = self.projection();
        if let Some((made_at, made_for, snapshot)) = &state.snapshot
            && (*made_for, *made_at + TICK > at) == (position, true)
            && (!is_exact || snapshot.as_of == projection.as_of())
        {
            return snapshot.clone();
        }
        let snapshot = Arc::new(Snapshot {
            as_of: projection.as_of(),
            totals: totals(&projection),
            window: self.sale().window,
            time: now,
            sold_out: projection.left().chunks(8).map(sold_bits).collect(),
            begun: projection.begun_items().collect(),
            text: SharedText::default(),
        });
        state.snapshot = Some((at, position, snapshot.clone()));
        snapshot
    }
}

/// Returns the totals of a projection.
pub(super) fn totals(projection: &Projection) -> Totals {
    Totals { items_sold: projection.sold_out(), units_left: projection.units() }
}

/// Returns the length of a snapshot, in items of a delta.
pub(super) fn snapshot_items(projection: &Projection) -> usize {
    SNAPSHOT_BASE + projection.left().len() / SNAPSHOT_ITEMS + projection.begun() as usize
}

fn sold_bits(left: &[u32]) -> u8 {
    left.iter().enumerate().fold(0, |bits, (place, left)| bits | u8::from(*left == 0) << place)
}
