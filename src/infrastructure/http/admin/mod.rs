//! Endpoints for administrators.

pub mod cancel_order;
pub mod create_sale;
pub mod detached;
pub mod end_sale;
mod new_sale;
pub mod steer_queue;

/// The group of these endpoints.
pub const ADMINISTRATION: &str = "Administration";
