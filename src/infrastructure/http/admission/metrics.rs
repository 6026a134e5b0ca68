//! Metrics of waiting rooms.

use crate::infrastructure::metrics::{Counter, Metric, metrics};

metrics! {
    /// Requests to join a waiting room that were answered with a ticket.
    pub static JOINS: Metric<Counter> = "flashsale_queue_joins_total";
}
