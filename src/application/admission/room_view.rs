//! The view of a waiting room, from which an instance answers those who wait.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::application::sale::live_sale::LiveSale;
use crate::domain::admission::{Draw, Phase, Wait};
use crate::domain::sale::{Sale, SaleStatus};
use crate::domain::shared::SaleId;

use super::ports::RoomState;

/// Bounds of the pause until a client should look at the room again.
const POLL_MIN: Duration = Duration::from_secs(2);
const POLL_MAX: Duration = Duration::from_secs(30);

/// A waiting room as of a tick.
#[derive(Debug)]
pub struct RoomView {
    pub sale: SaleId,
    pub starts_at: DateTime<Utc>,
    pub phase: Phase,
    pub state: RoomState,
    pub draw: Option<Draw>,
    /// The time of Redis at the tick.
    pub shown_at: DateTime<Utc>,
    /// Places that were called in a second lately; `None` if that is not measured yet.
    per_second: Option<f64>,
    /// The text that all readers of a stream share.
    text: OnceLock<Bytes>,
}

impl RoomView {
    /// The view of a live sale at this time of Redis.
    pub fn new(live: &LiveSale, state: RoomState, per_second: Option<f64>, now: DateTime<Utc>) -> Self {
        let sale = live.sale();
        let is_sold_out = sale.payment_window.is_none() && live.is_followed() && live.projection().units() == 0;
        let phase = match sale.window.status(now) {
            SaleStatus::Ended => Phase::Closed,
            _ if state.drawn.is_none() => Phase::Joining,
            _ if is_sold_out => Phase::SoldOut,
            _ if state.is_paused || live.fence.epoch().is_none() => Phase::Paused,
            _ => Phase::Open,
        };
        RoomView { phase, per_second, ..Self::of_past(&sale, state, now) }
    }

    /// The view of a closed sale.
    pub fn of_past(sale: &Sale, state: RoomState, now: DateTime<Utc>) -> Self {
        let draw = state.drawn.map(|drawn| Draw::new(&state.secret, sale.id, drawn));
        let starts_at = sale.window.starts_at;
        RoomView {
            sale: sale.id,
            starts_at,
            phase: Phase::Closed,
            state,
            draw,
            shown_at: now,
            per_second: None,
            text: OnceLock::new(),
        }
    }

    /// Returns the text for the readers of a stream, which is made once.
    pub fn text(&self, make: impl FnOnce(&RoomView) -> Bytes) -> Bytes {
        self.text.get_or_init(|| make(self)).clone()
    }

    /// Returns true if readers need to learn of this view after an earlier one.
    pub fn differs_from(&self, earlier: &RoomView) -> bool {
        let without_time = |view: &RoomView| RoomState { now: self.state.now, passes: 0, ..view.state.clone() };
        self.phase != earlier.phase || without_time(self) != without_time(earlier)
    }

    /// Returns the place of the user who joined with this number; `None` before the draw.
    pub fn place(&self, join_number: u64) -> Option<u64> {
        self.draw.as_ref().map(|draw| draw.place(join_number))
    }

    /// Returns the number of places that are called before this one.
    pub fn ahead(&self, place: u64) -> u64 {
        place.saturating_sub(self.state.called + 1)
    }

    /// Estimates the wait until a place is called; `None` while no place is called.
    pub fn wait(&self, place: u64) -> Option<Wait> {
        let places = place.saturating_sub(self.state.called);
        (self.phase == Phase::Open).then(|| Wait::until(places, self.per_second, self.state.rate)).flatten()
    }

    /// Returns the pause after which a client should look at the room again: with a place, the nearer it is, the sooner.
    pub fn poll_after(&self, place: Option<u64>, now: DateTime<Utc>) -> Duration {
        match self.phase {
            Phase::Joining => (self.starts_at - now).to_std().unwrap_or_default().clamp(POLL_MIN, POLL_MAX),
            Phase::Open => {
                let wait = place.and_then(|place| self.wait(place)).map_or(POLL_MIN, |wait| wait.low / 4);
                wait.clamp(POLL_MIN, POLL_MAX)
            }
            Phase::Paused => 2 * POLL_MIN,
            Phase::SoldOut | Phase::Closed => POLL_MAX,
        }
    }
}
