//! The needs of the use cases. The doc comments are contracts.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::application::shared::StoreError;
use crate::domain::admission::Secret;
use crate::domain::shared::{SaleId, UserId};

/// A waiting room to open.
#[derive(Debug, Clone, Copy)]
pub struct NewRoom {
    pub secret: Secret,
    pub rate: u32,
    pub active_max: u32,
}

/// The state of a waiting room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomState {
    pub secret: Secret,
    /// Users who have joined.
    pub entrants: u64,
    /// Users who had joined when the places were drawn; `None` before.
    pub drawn: Option<u64>,
    /// Places that were called: 1 to this one.
    pub called: u64,
    /// Places that may be called in a second.
    pub rate: u32,
    /// Passes that may be out at once.
    pub active_max: u32,
    pub is_paused: bool,
    pub message: Option<String>,
    /// Passes that are out: neither used nor expired.
    pub passes: u64,
    /// The time of PostgreSQL.
    pub now: DateTime<Utc>,
}

/// The facts that an instance knows when it calls places.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The sale has started by the clock of Redis.
    pub has_started: bool,
    /// Places may be called, as far as this instance knows.
    pub may_call: bool,
    pub units_left: u32,
    /// Places whose passes have bought something.
    pub used: Vec<u64>,
}

/// A change of a waiting room by an operator. Absent parts stay as they are.
#[derive(Debug, Clone, Default)]
pub struct Steering {
    pub rate: Option<u32>,
    pub active_max: Option<u32>,
    pub is_paused: Option<bool>,
    /// An empty message removes it.
    pub message: Option<String>,
}

/// Waiting rooms, in PostgreSQL.
#[async_trait]
pub trait RoomArchive: Send + Sync {
    /// Gives these users, who are all different, their numbers, in this order after all earlier ones. A user who has one
    /// keeps it. Returns the numbers in the order of the users. Fails with `Busy` before the room is open.
    async fn join(&self, sale: SaleId, users: &[UserId]) -> Result<Vec<u64>, StoreError>;

    /// Moves a room on, which `new` opens if nobody has: marks passes as used, draws the places once the sale has started,
    /// gives new passes to those who want one, and calls further places. Any number of instances together never exceed the
    /// rate and the number of passes.
    async fn admit(&self, sale: SaleId, new: &NewRoom, facts: &Facts) -> Result<RoomState, StoreError>;

    /// Reads a room; `None` if nobody has opened it.
    async fn room(&self, sale: SaleId) -> Result<Option<RoomState>, StoreError>;

    /// Takes the pass of a place that was called, for this long, and returns its end. A pass that was taken before keeps
    /// its end. `None` if it has expired; the place then gets a new one when one is free.
    async fn claim(&self, sale: SaleId, place: u64, life: Duration) -> Result<Option<DateTime<Utc>>, StoreError>;

    /// Prolongs a pass that is valid to this long from now, and returns its new end. `None` if it has expired, or has been
    /// prolonged as often as it may be.
    async fn extend(&self, sale: SaleId, place: u64, life: Duration) -> Result<Option<DateTime<Utc>>, StoreError>;

    /// Changes a room. Returns false if nobody has opened it.
    async fn steer(&self, sale: SaleId, steering: &Steering) -> Result<bool, StoreError>;
}
