//! Admission: the tickets and passes of requests, and the gate of sales with a waiting room.

mod gate;
mod tokens;

pub use gate::{Gate, admission_required};
pub use tokens::{PASS, TICKET, TICKET_LIFE};
