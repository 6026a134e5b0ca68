//! The feed of a sale: what its readers learn about its stock while it sells.
//!
//! A tick collects what has changed since the one before. All readers share its [`Delta`], and each reader has only a
//! position among the deltas of the last minute. Where a snapshot is shorter than what a reader has missed, it gets the
//! latest one instead: there is no queue for a slow reader, and none to lose.

use std::array;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::sync::Notify;

use crate::domain::sale::Window;
use crate::domain::shared::{LedgerId, Ordinal};

/// Time between two ticks.
pub(super) const TICK: Duration = Duration::from_millis(250);

/// Time of a tick that each reader costs. With many of them ticks are longer, so that purchases have room.
const TICK_OF_READER: Duration = Duration::from_micros(50);

/// Pause after each woken reader: half of a long tick is spent on waking.
const PAUSE_OF_READER: Duration = Duration::from_micros(25);

/// A shorter pause is made together with the next one.
const PAUSE_MIN: Duration = Duration::from_millis(1);

/// Readers are woken in this many groups, with a pause in between: thousands at once would hold up every purchase.
const GROUPS: usize = 64;

/// Time for which deltas are kept, so that a reader who lost its connection can go on.
pub(super) const RESUMABLE: Duration = Duration::from_secs(60);

/// The part of a feed that a reader wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// The units left of each item.
    Items,
    /// Totals only.
    Counts,
}

/// The totals of a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Items with no unit left.
    pub items_sold: u32,
    pub units_left: u32,
}

/// The changes of a tick.
#[derive(Debug)]
pub struct Delta {
    pub as_of: LedgerId,
    /// The first entry in it.
    pub first: Option<LedgerId>,
    pub totals: Totals,
    /// The items that changed, with their units left. None in a sign of life.
    pub items: Box<[(Ordinal, u32)]>,
    pub text: SharedText,
}

/// The state at one moment.
#[derive(Debug)]
pub struct Snapshot {
    pub as_of: LedgerId,
    pub totals: Totals,
    pub window: Window,
    pub time: DateTime<Utc>,
    /// One bit for each item with no unit left. Item `n` is bit `(n - 1) % 8`, from the lowest, of byte `(n - 1) / 8`.
    pub sold_out: Box<[u8]>,
    /// The items of which some units are sold and some are left, with the units left.
    pub begun: Box<[(Ordinal, u32)]>,
    pub text: SharedText,
}

/// The text of an event, for each [`Detail`]. The first reader who needs it writes it, for all.
#[derive(Debug, Default)]
pub struct SharedText([OnceLock<Bytes>; 2]);

impl SharedText {
    /// Returns the text.
    pub fn get(&self, detail: Detail, write: impl FnOnce() -> Bytes) -> Bytes {
        self.0[detail as usize].get_or_init(write).clone()
    }
}

/// The reason for which a feed ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// No unit is left, and none can come back by itself.
    SoldOut,
    /// The sale is over.
    Closed,
}

/// An event for a reader.
#[derive(Debug, Clone)]
pub enum StockEvent {
    Snapshot(Arc<Snapshot>),
    Delta(Arc<Delta>),
    /// The last one.
    End(EndReason, LedgerId),
}

/// The feed of one sale.
#[derive(Debug)]
pub struct StockFeed {
    state: Mutex<State>,
    pub(super) readers: AtomicUsize,
    /// Readers that ever were.
    pub(super) numbers: AtomicUsize,
    /// Signals the first reader.
    pub(super) wanted: Notify,
    groups: [Notify; GROUPS],
}

/// The deltas that readers may still need, and the latest snapshot.
#[derive(Debug)]
pub(super) struct State {
    pub deltas: VecDeque<(Instant, Arc<Delta>)>,
    /// The position of the first of them.
    pub first: u64,
    /// The latest snapshot, when it was made, and the position of the delta that follows it.
    pub snapshot: Option<(Instant, u64, Arc<Snapshot>)>,
    /// The length of a snapshot, in items of a delta.
    pub snapshot_items: usize,
    /// The position up to which readers have been woken, and when.
    pub woken: (u64, Instant),
    pub end: Option<EndReason>,
    /// The last tick with readers.
    pub read_at: Instant,
}

impl State {
    /// Returns the position of the delta to come.
    pub fn end_position(&self) -> u64 {
        self.first + self.deltas.len() as u64
    }

    /// Returns the deltas from this position on; `None` if they are gone.
    pub fn since(&self, position: u64) -> Option<impl Iterator<Item = &Arc<Delta>>> {
        let skipped = usize::try_from(position.checked_sub(self.first)?).ok()?;
        (skipped <= self.deltas.len()).then(|| self.deltas.range(skipped..).map(|(_, delta)| delta))
    }

    /// Drops the deltas that no reader will get: they are too old, or a snapshot is shorter than all that followed.
    pub fn drop_old(&mut self, now: Instant) {
        let mut items: usize = self.deltas.iter().map(|(_, delta)| delta.items.len()).sum();
        while let Some((at, delta)) = self.deltas.front()
            && (items > self.snapshot_items || *at + RESUMABLE < now)
        {
            items -= delta.items.len();
            self.deltas.pop_front();
            self.first += 1;
        }
    }

    /// Forgets everything, so that each reader gets a snapshot.
    pub fn forget(&mut self) {
        self.first = self.end_position() + 1;
        self.deltas.clear();
        self.snapshot = None;
    }
}

impl Default for StockFeed {
    fn default() -> Self {
        let now = Instant::now();
        let state = State {
            deltas: VecDeque::new(),
            first: 0,
            snapshot: None,
            snapshot_items: 0,
            woken: (0, now),
            end: None,
            read_at: now,
        };
        StockFeed {
            state: Mutex::new(state),
            readers: AtomicUsize::new(0),
            numbers: AtomicUsize::new(0),
            wanted: Notify::new(),
            groups: array::from_fn(|_| Notify::new()),
        }
    }
}

impl StockFeed {
    /// Waits until somebody wants to read.
    pub async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// Returns the time until the next tick.
    pub fn tick(&self) -> Duration {
        TICK.max(TICK_OF_READER * self.readers() as u32)
    }

    /// Wakes the readers, group by group.
    pub async fn wake(&self) {
        let of_group = PAUSE_OF_READER * (self.readers() / GROUPS) as u32;
        let mut pause = Duration::ZERO;
        for group in &self.groups {
            group.notify_waiters();
            pause += of_group;
            if pause >= PAUSE_MIN {
                tokio::time::sleep(std::mem::take(&mut pause)).await;
            }
        }
    }

    /// Gives every reader a new snapshot: the deltas before belong to another ledger.
    pub(super) fn start_over(&self) {
        self.state().forget();
    }

    /// Ends the feed, because nothing more will come.
    pub(super) fn close(&self) {
        self.state().end = Some(EndReason::Closed);
        self.groups.iter().for_each(Notify::notify_waiters);
    }

    /// Returns what wakes the reader with this number.
    pub(super) fn group(&self, reader: usize) -> &Notify {
        &self.groups[reader % GROUPS]
    }

    /// Returns the number of readers.
    pub fn readers(&self) -> usize {
        self.readers.load(Ordering::Relaxed)
    }

    /// Returns the state. Take this lock before that of the projection.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
