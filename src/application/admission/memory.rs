//! An archive without waiting rooms, for tests of everything else.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::application::shared::StoreError;
use crate::domain::shared::{SaleId, UserId};

use super::ports::{Facts, NewRoom, RoomArchive, RoomState, Steering};

/// An archive in which no room opens.
#[derive(Debug, Clone, Copy)]
pub struct NoRooms;

const NONE: StoreError = StoreError::Busy("there are no waiting rooms");

#[async_trait]
impl RoomArchive for NoRooms {
    async fn join(&self, _: SaleId, _: &[UserId]) -> Result<Vec<u64>, StoreError> {
        Err(NONE)
    }

    async fn admit(&self, _: SaleId, _: &NewRoom, _: &Facts) -> Result<RoomState, StoreError> {
        Err(NONE)
    }

    async fn room(&self, _: SaleId) -> Result<Option<RoomState>, StoreError> {
        Ok(None)
    }

    async fn claim(&self, _: SaleId, _: u64, _: Duration) -> Result<Option<DateTime<Utc>>, StoreError> {
        Ok(None)
    }

    async fn extend(&self, _: SaleId, _: u64, _: Duration) -> Result<Option<DateTime<Utc>>, StoreError> {
        Ok(None)
    }

    async fn steer(&self, _: SaleId, _: &Steering) -> Result<bool, StoreError> {
        Ok(false)
    }
}
