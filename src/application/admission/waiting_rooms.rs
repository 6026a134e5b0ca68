//! The waiting rooms of an instance.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;

use crate::application::sale::Shop;
use crate::application::shared::StoreError;
use crate::domain::shared::SaleId;

use super::ports::{RoomArchive, Steering};
use super::room::Room;
use super::room_view::RoomView;

/// The settings of waiting rooms.
#[derive(Debug, Clone, Copy)]
pub struct RoomSettings {
    /// Places that a new room calls in a second at most.
    pub rate: u32,
    /// Passes of a new room that may be out at once.
    pub active_max: u32,
    /// Time for which a pass is valid.
    pub pass_life: Duration,
}

impl Default for RoomSettings {
    fn default() -> Self {
        RoomSettings { rate: 500, active_max: 2_000, pass_life: Duration::from_secs(300) }
    }
}

/// The use cases of the admission context.
pub struct WaitingRooms {
    pub(super) shop: Arc<Shop>,
    /// For requests: a flood of them takes nothing from the work that needs `work`.
    pub(super) archive: Arc<dyn RoomArchive>,
    /// For background tasks.
    pub(super) work: Arc<dyn RoomArchive>,
    pub(super) settings: RoomSettings,
    rooms: RwLock<BTreeMap<SaleId, Arc<Room>>>,
}

impl WaitingRooms {
    /// The waiting rooms of the sales of this shop.
    pub fn new(
        shop: Arc<Shop>,
        archive: Arc<dyn RoomArchive>,
        work: Arc<dyn RoomArchive>,
        settings: RoomSettings,
    ) -> Self {
        WaitingRooms { shop, archive, work, settings, rooms: RwLock::default() }
    }

    /// Returns the present view of a room; `None` if the sale has none. Only a closed sale is read from PostgreSQL. Fails
    /// with `Busy` while this instance has not seen the room yet.
    pub async fn view(&self, sale: SaleId) -> Result<Option<Arc<RoomView>>, StoreError> {
        if let Some(live) = self.shop.sales.live(sale) {
            let view = || self.room(sale).view().ok_or(StoreError::Busy("the waiting room is not open here yet"));
            return live.sale().waiting_room.then(view).transpose();
        }
        let past = self.shop.find_sale(sale).await?.filter(|past| past.sale().waiting_room);
        let Some(past) = past else { return Ok(None) };
        let state = self.archive.room(sale).await?;
        Ok(state.map(|state| Arc::new(RoomView::of_past(&past.sale(), state, self.shop.clock.now()))))
    }

    /// Returns the views of a room as they change, at most once in a second; `None` if the sale has none.
    pub async fn follow(&self, sale: SaleId) -> Result<Option<watch::Receiver<Arc<RoomView>>>, StoreError> {
        let Some(view) = self.view(sale).await? else { return Ok(None) };
        let is_live = self.shop.sales.live(sale).is_some();
        Ok(Some(if is_live { self.room(sale).follow(view) } else { watch::channel(view).1 }))
    }

    /// Returns the sum of all views, for metrics: users who have joined, places that were called, passes that are out.
    pub fn totals(&self) -> [u64; 3] {
        let rooms = self.rooms.read().unwrap_or_else(PoisonError::into_inner);
        let states = rooms.values().filter_map(|room| room.view());
        states.fold([0; 3], |[joined, called, passes], view| {
            [joined + view.state.entrants, called + view.state.called, passes + view.state.passes]
        })
    }

    /// Changes a room for an operator. Returns its state; `None` if the sale has no room.
    pub async fn steer(&self, sale: SaleId, steering: &Steering) -> Result<Option<Arc<RoomView>>, StoreError> {
        let Some(live) = self.shop.sales.live(sale).filter(|live| live.sale().waiting_room) else { return Ok(None) };
        if !self.work.steer(sale, steering).await? {
            return Err(StoreError::Busy("the waiting room is not open yet"));
        }
        self.tick(&live).await?;
        Ok(self.room(sale).view())
    }

    /// Notes that the pass of a place has bought something: it no longer takes the place of others.
    pub fn note_purchase(&self, sale: SaleId, place: u64) {
        self.room(sale).note_used([place]);
    }

    pub(super) fn room(&self, sale: SaleId) -> Arc<Room> {
        if let Some(room) = self.rooms.read().unwrap_or_else(PoisonError::into_inner).get(&sale) {
            return room.clone();
        }
        self.rooms.write().unwrap_or_else(PoisonError::into_inner).entry(sale).or_default().clone()
    }

    /// Forgets the rooms of other sales than these.
    pub(super) fn retain(&self, sales: &[SaleId]) {
        let is_kept = |id: &SaleId| sales.contains(id);
        if !self.rooms.read().unwrap_or_else(PoisonError::into_inner).keys().all(is_kept) {
            self.rooms.write().unwrap_or_else(PoisonError::into_inner).retain(|id, _| is_kept(id));
        }
    }
}
