//! The tick of a waiting room: draws and calls places, and shows the new state on this instance.

use std::sync::Arc;

use futures::future::join_all;

use crate::application::sale::live_sale::LiveSale;
use crate::application::shared::StoreError;
use crate::domain::admission::Secret;
use crate::domain::sale::SaleStatus;
use crate::domain::shared::SaleId;

use super::ports::{Facts, NewRoom};
use super::room_view::RoomView;
use super::waiting_rooms::WaitingRooms;

impl WaitingRooms {
    /// Moves every room of a live sale on. Idempotent, on any number of instances. Returns false if there is none.
    pub async fn tick_all(&self) -> Result<bool, StoreError> {
        let mut live = self.shop.sales.all_live();
        live.retain(|live| live.sale().waiting_room);
        self.retain(&live.iter().map(|live| live.id()).collect::<Vec<SaleId>>());
        let results = join_all(live.iter().map(|live| self.tick(live))).await;
        results.into_iter().collect::<Result<(), StoreError>>().map(|()| !live.is_empty())
    }

    /// Moves one room on.
    pub(super) async fn tick(&self, live: &Arc<LiveSale>) -> Result<(), StoreError> {
        let room = self.room(live.id());
        let new = NewRoom {
            secret: Secret::new(rand::random()),
            rate: self.settings.rate,
            active_max: self.settings.active_max,
        };
        let facts = self.facts(live, room.take_used());
        let state = match self.work.admit(live.id(), &new, &facts).await {
            Ok(state) => state,
            Err(error) => {
                room.note_used(facts.used);
                return Err(error);
            }
        };
        let per_second = {
            let mut calls = room.calls();
            if facts.may_call && !state.is_paused && state.drawn.is_some() {
                calls.note(state.now, state.called);
            } else {
                calls.forget();
            }
            calls.per_second()
        };
        room.show(RoomView::new(live, state, per_second, self.shop.clock.now()));
        Ok(())
    }

    fn facts(&self, live: &LiveSale, used: Vec<u64>) -> Facts {
        let (sale, clock) = (live.sale(), &self.shop.clock);
        let has_started = clock.is_trusted() && clock.has_surely_started(&sale.window);
        let is_open = sale.window.status(clock.now()) == SaleStatus::Open;
        let may_call = has_started && is_open && live.is_followed() && live.fence.epoch().is_some();
        Facts { has_started, may_call, units_left: live.projection().units(), used }
    }
}
