//! One waiting room as this instance sees it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arc_swap::ArcSwapOption;
use chrono::TimeDelta;
use tokio::sync::watch;

use crate::domain::admission::Calls;

use super::join_queue::JoinQueue;
use super::room_view::RoomView;

/// Time between two events for the readers of streams.
const EVENT_EVERY: TimeDelta = TimeDelta::seconds(1);

/// The view of a room, the users who are joining, and what the next tick has to tell PostgreSQL.
#[derive(Debug, Default)]
pub struct Room {
    view: ArcSwapOption<RoomView>,
    pub joining: Arc<JoinQueue>,
    calls: Mutex<Calls>,
    /// Places whose passes have bought something.
    used: Mutex<BTreeSet<u64>>,
    /// The readers of streams, once there was one.
    readers: OnceLock<watch::Sender<Arc<RoomView>>>,
}

impl Room {
    /// Returns the view; `None` before the first tick.
    pub fn view(&self) -> Option<Arc<RoomView>> {
        self.view.load_full()
    }

    /// Shows a new view. Readers of streams learn of it at once if its phase has changed, and otherwise once in a second.
    pub fn show(&self, view: RoomView) {
        let view = Arc::new(view);
        self.view.store(Some(view.clone()));
        if let Some(readers) = self.readers.get() {
            readers.send_if_modified(|shown| {
                let is_due = view.phase != shown.phase || view.shown_at - shown.shown_at >= EVENT_EVERY;
                let is_news = is_due && view.differs_from(shown);
                if is_news {
                    *shown = view;
                }
                is_news
            });
        }
    }

    /// Returns the views as they change, from this one on.
    pub fn follow(&self, view: Arc<RoomView>) -> watch::Receiver<Arc<RoomView>> {
        self.readers.get_or_init(|| watch::Sender::new(view)).subscribe()
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
