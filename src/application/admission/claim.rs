//! The standing of a user in a waiting room, and the passes of those whose place was called.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::application::shared::StoreError;
use crate::domain::admission::{Phase, Wait};
use crate::domain::shared::SaleId;

use super::room_view::RoomView;
use super::waiting_rooms::WaitingRooms;

/// The standing of a user.
#[derive(Debug)]
pub struct Standing {
    pub phase: Phase,
    pub turn: Turn,
    pub poll_after: Duration,
}

/// The turn of a user.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    /// The places are not drawn yet.
    Undrawn,
    /// The place is not called yet, or its pass has expired and none is free.
    Waiting { place: u64, ahead: u64, wait: Option<Wait> },
    /// The place was called.
    Called { place: u64, pass_expires_at: DateTime<Utc> },
}

impl WaitingRooms {
    /// Returns the standing of the user who joined with this number; `None` if the sale has no waiting room. The user whose
    /// place was called takes the pass.
    pub async fn standing(&self, sale: SaleId, join_number: u64) -> Result<Option<Standing>, StoreError> {
        let Some(view) = self.view(sale).await? else { return Ok(None) };
        let (place, now) = (view.place(join_number), self.shop.clock.now());
        let turn = match place {
            None => Turn::Undrawn,
            Some(place) => self.turn(&view, place).await?,
        };
        Ok(Some(Standing { phase: view.phase, turn, poll_after: view.poll_after(place, now) }))
    }

    async fn turn(&self, view: &Arc<RoomView>, place: u64) -> Result<Turn, StoreError> {
        let is_called = place <= view.state.called && view.phase != Phase::Closed;
        if is_called
            && let Some(pass_expires_at) = self.archive.claim(view.sale, place, self.settings.pass_life).await?
        {
            return Ok(Turn::Called { place, pass_expires_at });
        }
        Ok(Turn::Waiting { place, ahead: view.ahead(place), wait: view.wait(place) })
    }

    /// Prolongs the pass of a place, and returns its new end. `None` if it may not be prolonged any more.
    pub async fn extend(&self, sale: SaleId, place: u64) -> Result<Option<DateTime<Utc>>, StoreError> {
        self.archive.extend(sale, place, self.settings.pass_life).await
    }
}
