//! The phases of a waiting room.

use serde::Serialize;
use utoipa::ToSchema;

/// A phase of a waiting room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = QueuePhase)]
pub enum Phase {
    /// Before the draw.
    Joining,
    /// Places are called.
    Open,
    /// No place is called at the moment. All are kept.
    Paused,
    /// Nothing is left.
    SoldOut,
    /// The sale is over.
    Closed,
}
