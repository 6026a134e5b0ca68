//! Joining a waiting room.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::application::sale::live_sale::LiveSale;
use crate::application::shared::StoreError;
use crate::domain::sale::{Sale, SaleStatus};
use crate::domain::shared::{SaleId, SaleKind, UserId};

use super::join_queue;
use super::room_view::RoomView;
use super::waiting_rooms::WaitingRooms;

/// A user who has joined.
#[derive(Debug)]
pub struct Joined {
    pub join_number: u64,
    pub view: Arc<RoomView>,
}

/// A user who has not joined.
#[derive(Debug)]
pub enum JoinError {
    SaleNotFound,
    /// The sale has no waiting room.
    NoRoom,
    /// Joining opens later.
    NotOpen(DateTime<Utc>),
    Ended,
    Failed(StoreError),
}

impl From<StoreError> for JoinError {
    fn from(error: StoreError) -> Self {
        JoinError::Failed(error)
    }
}

impl WaitingRooms {
    /// Lets a user join the waiting room of a sale. However often a user joins, the number is the same.
    pub async fn join(&self, user: UserId, sale: SaleId) -> Result<Joined, JoinError> {
        let live = match self.shop.sales.live(sale) {
            Some(live) => live,
            None => self.shop.find_sale(sale).await?.ok_or(JoinError::SaleNotFound)?,
        };
        let (sale, now) = (live.sale(), self.shop.clock.now());
        if !sale.waiting_room {
            return Err(JoinError::NoRoom);
        }
        if sale.closed || sale.window.status(now) == SaleStatus::Ended {
            return Err(JoinError::Ended);
        }
        let opens_at = self.joining_opens_at(&sale);
        if now < opens_at {
            return Err(JoinError::NotOpen(opens_at));
        }
        let room = self.room(sale.id);
        let view = room.view().ok_or(StoreError::Busy("the waiting room is not open here yet"))?;
        let join_number = join_queue::join(&self.archive, &room.joining, sale.id, user).await?;
        // The draw may have taken place meanwhile.
        Ok(Joined { join_number, view: room.view().unwrap_or(view) })
    }

    /// Returns the time from which on users join the waiting room of a sale.
    pub fn joining_opens_at(&self, sale: &Sale) -> DateTime<Utc> {
        sale.window.starts_at - self.shop.settings.lead()
    }

    /// Returns the hourly sale whose waiting room is meant without a name: that of the open sale, or of the next one once
    /// joining is open.
    pub fn current(&self) -> Option<SaleId> {
        let now = self.shop.clock.now();
        let is_meant = |live: &Arc<LiveSale>| {
            let sale = live.sale();
            let is_open_to_join = now >= self.joining_opens_at(&sale);
            let is_over = sale.window.status(now) == SaleStatus::Ended;
            sale.waiting_room && sale.id.kind() == SaleKind::Hourly && is_open_to_join && !is_over
        };
        self.shop.sales.all_live().iter().find(|live| is_meant(live)).map(|live| live.id())
    }
}
