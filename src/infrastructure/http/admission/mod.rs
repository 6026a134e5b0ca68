//! Endpoints of the admission context: the waiting rooms.

pub mod events;
pub mod extend;
pub mod join;
pub mod metrics;
pub mod queue;
pub mod queue_body;
pub mod standing;

/// The group of these endpoints.
pub const QUEUE: &str = "Waiting room";
