//! The fate of an order after its purchase: reserved, paid, cancelled or expired.
//!
//! An order exists for each purchase of a sale with a payment window. Its lines and its total follow from the purchase,
//! which never changes; only its fate is kept.

mod note;
mod order;
mod status;
mod transition;

pub use note::Note;
pub use order::{Order, Version};
pub use status::OrderStatus;
pub use transition::{OrderEvent, OrderReason, Transition};
