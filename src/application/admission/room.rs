//! One waiting room as this instance sees it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;

use crate::domain::admission::Calls;

use super::join_queue::JoinQueue;
use super::room_view::RoomView;

/// The view of a room, the users who are joining, and what the next tick has to tell PostgreSQL.
#[derive(Debug, Default)]
pub struct Room {
    view: ArcSwapOption<RoomView>,
    pub joining: JoinQueue,
    calls: Mutex<Calls>,
    /// Places whose passes have bought something.
    used: Mutex<BTreeSet<u64>>,
}

impl Room {
    /// Returns the view; `None` before the first tick.
    pub fn view(&self) -> Option<Arc<RoomView>> {
        self.view.load_full()
    }

    pub fn show(&self, view: RoomView) {
        self.view.store(Some(Arc::new(view)));
    }

    /// Returns the measurement of the places that were called lately.
    pub fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes places whose passes have bought something.
    pub fn note_used(&self, places: impl IntoIterator<Item = u64>) {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).extend(places);
    }

    /// Takes the places that were noted.
    pub fn take_used(&self) -> Vec<u64> {
        std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect()
    }
}
