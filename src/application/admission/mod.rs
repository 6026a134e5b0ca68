//! Use cases of the admission context: joining a waiting room, calling places, and passes.
//!
//! PostgreSQL decides who has which place and how many passes are out, so a loss of Redis costs nobody a place. Each
//! instance keeps a view of every room in memory, from which it answers those who wait.

mod claim;
mod join;
mod join_queue;
#[cfg(any(test, feature = "memory"))]
pub mod memory;
pub mod ports;
mod room;
mod room_view;
mod tick;
mod waiting_rooms;

pub use claim::{Standing, Turn};
pub use join::{JoinError, Joined};
pub use room_view::RoomView;
pub use waiting_rooms::{RoomSettings, WaitingRooms};
